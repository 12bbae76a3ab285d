#include "tests/unit/kernel/seccomp_reference.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"

namespace gabion::kernel::seccomp::test {
namespace {

constexpr uint32_t kX32Bit = 0x40000000U;

struct Architecture {
  uint32_t ours;
  uint32_t libseccomp;
  uint32_t audit;
};
constexpr Architecture kArchitectures[] = {
    {AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64},
    {AUDIT_ARCH_I386, SCMP_ARCH_X86, AUDIT_ARCH_I386},
    {kArchX32, SCMP_ARCH_X32, AUDIT_ARCH_X86_64},
};

scmp_compare libseccomp_compare(Compare compare) {
  switch (compare) {
    case Compare::kNotEqual:
      return SCMP_CMP_NE;
    case Compare::kLess:
      return SCMP_CMP_LT;
    case Compare::kLessEqual:
      return SCMP_CMP_LE;
    case Compare::kEqual:
      return SCMP_CMP_EQ;
    case Compare::kGreaterEqual:
      return SCMP_CMP_GE;
    case Compare::kGreater:
      return SCMP_CMP_GT;
    case Compare::kMaskedEqual:
      return SCMP_CMP_MASKED_EQ;
  }
  abort();
}

// runc: conditions that name an argument twice are rules of their own.
std::vector<std::vector<Condition>> split(const std::vector<Condition>& conditions) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (conditions[i].index != conditions[j].index) continue;
      std::vector<std::vector<Condition>> alone;
      for (const Condition& condition : conditions) alone.push_back({condition});
      return alone;
    }
  }
  return {conditions};
}

bool listed(const Filter& filter, uint32_t arch) {
  return arch == AUDIT_ARCH_X86_64 || std::find(filter.architectures.begin(), filter.architectures.end(),
                                                arch) != filter.architectures.end();
}

bool holds(const Condition& condition, uint64_t argument, bool narrow) {
  uint64_t wanted = condition.value;
  uint64_t second = condition.value_two;
  if (narrow) {
    argument = static_cast<uint32_t>(argument);
    wanted = static_cast<uint32_t>(wanted);
    second = static_cast<uint32_t>(second);
  }
  switch (condition.compare) {
    case Compare::kNotEqual:
      return argument != wanted;
    case Compare::kLess:
      return argument < wanted;
    case Compare::kLessEqual:
      return argument <= wanted;
    case Compare::kEqual:
      return argument == wanted;
    case Compare::kGreaterEqual:
      return argument >= wanted;
    case Compare::kGreater:
      return argument > wanted;
    case Compare::kMaskedEqual:
      return (argument & wanted) == (second & wanted);
  }
  abort();
}

// The direct number of a call that libseccomp answers for with a pseudo number.
int direct_number(uint32_t arch, const std::string& name) {
  for (int number = 0; number < 512; ++number) {
    char* known = seccomp_syscall_resolve_num_arch(arch, number);
    const bool same = known != nullptr && name == known;
    free(known);
    if (same) return number;
  }
  return -1;
}

bool is_redundant(const Filter& filter, const Rule& rule) { return rule.action == filter.default_action; }

[[noreturn]] void fail(const std::string& why) {
  fprintf(stderr, "%s\n", why.c_str());
  abort();
}

const json::Value& member(const json::Value& object, const char* key) {
  const json::Value* value = object.find(key);
  if (value == nullptr) fail(std::string("no member ") + key);
  return *value;
}

uint64_t number_or(const json::Value& object, const char* key, uint64_t otherwise) {
  const json::Value* value = object.find(key);
  return value == nullptr ? otherwise : value->as_uint64().value();
}

Rule rule_of(const json::Value& entry, bool known_only) {
  Rule rule;
  const auto errno_ret = static_cast<uint32_t>(number_or(entry, "errnoRet", EPERM));
  rule.action = action_from_name(member(entry, "action").text(), errno_ret).value();
  for (const json::Value& name : member(entry, "names").items()) {
    if (known_only && seccomp_syscall_resolve_name(name.text().c_str()) == __NR_SCMP_ERROR) continue;
    rule.names.push_back(name.text());
  }
  if (const json::Value* args = entry.find("args")) {
    for (const json::Value& arg : args->items()) {
      rule.conditions.push_back({static_cast<uint32_t>(number_or(arg, "index", 0)),
                                 compare_from_name(member(arg, "op").text()).value(),
                                 number_or(arg, "value", 0), number_or(arg, "valueTwo", 0)});
    }
  }
  return rule;
}

}  // namespace

std::optional<Program> libseccomp_program(const Filter& filter, int optimize) {
  scmp_filter_ctx context = seccomp_init(filter.default_action);
  if (context == nullptr) fail("seccomp_init");
  seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, filter.bad_arch_action);
  seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, static_cast<uint32_t>(optimize));
  for (const Architecture& arch : kArchitectures) {
    if (arch.ours != AUDIT_ARCH_X86_64 && listed(filter, arch.ours)) {
      if (seccomp_arch_add(context, arch.libseccomp) != 0) fail("seccomp_arch_add");
    }
  }
  int result = 0;
  for (const Rule& rule : filter.rules) {
    if (is_redundant(filter, rule)) continue;
    for (const std::string& name : rule.names) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      for (const std::vector<Condition>& conditions : split(rule.conditions)) {
        std::vector<scmp_arg_cmp> comparisons;
        for (const Condition& condition : conditions) {
          comparisons.push_back(
              {condition.index, libseccomp_compare(condition.compare), condition.value, condition.value_two});
        }
        const int added =
            seccomp_rule_add_array(context, rule.action, number, static_cast<unsigned>(comparisons.size()),
                                   comparisons.empty() ? nullptr : comparisons.data());
        if (added != 0) result = added;
      }
    }
  }
  std::optional<Program> program;
  if (result == 0) {
    const Fd file(memfd_create("bpf", MFD_CLOEXEC));
    if (seccomp_export_bpf(context, file.get()) != 0) fail("seccomp_export_bpf");
    const off_t size = lseek(file.get(), 0, SEEK_END);
    program.emplace(static_cast<size_t>(size) / sizeof(sock_filter));
    if (pread(file.get(), program->data(), static_cast<size_t>(size), 0) != size) fail("pread");
  }
  seccomp_release(context);
  return program;
}

Interpreter::Interpreter(const Filter& filter) : filter_(filter), last_(std::size(kArchitectures), 0) {
  for (const Rule& rule : filter.rules) {
    for (const std::string& name : rule.names) {
      for (size_t i = 0; i < std::size(kArchitectures); ++i) {
        const uint32_t arch = kArchitectures[i].libseccomp;
        int number = seccomp_syscall_resolve_name_arch(arch, name.c_str());
        if (number > 0) last_[i] = std::max(last_[i], static_cast<uint32_t>(number));
        // libseccomp's pseudo numbers carry the code: -101 is socketcall 1, -221 is ipc 21.
        if (arch == SCMP_ARCH_X86 && number <= -100 && number > -300) {
          const bool socket = number > -200;
          targets_.push_back({&rule, i, socket ? 102U : 117U, -number % (socket ? 100 : 200)});
          number = direct_number(arch, name);
        }
        if (number >= 0) targets_.push_back({&rule, i, static_cast<uint32_t>(number), -1});
      }
    }
  }
}

std::optional<size_t> Interpreter::architecture_of(const seccomp_data& call) const {
  const bool x32 = listed(filter_, kArchX32) && static_cast<uint32_t>(call.nr) >= kX32Bit;
  for (size_t i = 0; i < std::size(kArchitectures); ++i) {
    const Architecture& arch = kArchitectures[i];
    if (arch.audit != call.arch || !listed(filter_, arch.ours)) continue;
    if (call.arch != AUDIT_ARCH_X86_64 || (arch.ours == kArchX32) == x32) return i;
  }
  return std::nullopt;
}

std::optional<uint32_t> Interpreter::stub(const seccomp_data& call) const {
  if (!filter_.enosys_for_unknown) return std::nullopt;
  const auto number = static_cast<uint32_t>(call.nr);
  const bool x32 = call.arch == AUDIT_ARCH_X86_64 && (number & kX32Bit) != 0;
  for (size_t i = 0; i < std::size(kArchitectures); ++i) {
    const Architecture& arch = kArchitectures[i];
    if (arch.audit != call.arch || !listed(filter_, arch.ours) || (arch.ours == kArchX32) != x32) continue;
    if (last_[i] != 0 && number > last_[i]) return SECCOMP_RET_ERRNO | ENOSYS;
  }
  return std::nullopt;
}

uint32_t Interpreter::action(const seccomp_data& call) const {
  if (const std::optional<uint32_t> early = stub(call)) return *early;
  const auto number = static_cast<uint32_t>(call.nr);
  const std::optional<size_t> architecture = architecture_of(call);
  if (!architecture) return filter_.bad_arch_action;
  const bool narrow = kArchitectures[*architecture].ours != AUDIT_ARCH_X86_64;
  if (!narrow && number >= kX32Bit && number != UINT32_MAX) return filter_.bad_arch_action;
  std::optional<uint32_t> strictest;
  for (const Target& target : targets_) {
    const Rule& rule = *target.rule;
    const bool multiplexed = target.code >= 0;
    if (target.architecture != *architecture || target.number != number) continue;
    if (multiplexed && static_cast<uint32_t>(call.args[0]) != static_cast<uint32_t>(target.code)) continue;
    if (is_redundant(filter_, rule)) continue;
    for (const std::vector<Condition>& conditions : split(rule.conditions)) {
      bool all = true;
      bool unconditional = !multiplexed;
      for (const Condition& condition : conditions) {
        if (multiplexed && condition.index == 0) continue;
        const uint64_t mask = narrow ? static_cast<uint32_t>(condition.value) : condition.value;
        if (condition.compare != Compare::kMaskedEqual || mask != 0) unconditional = false;
        all = all && holds(condition, call.args[condition.index], narrow);
      }
      if (unconditional) return rule.action;
      if (all && (!strictest || static_cast<int32_t>(rule.action) < static_cast<int32_t>(*strictest))) {
        strictest = rule.action;
      }
    }
  }
  return strictest.value_or(filter_.default_action);
}

Filter filter_of_spec(const std::string& path, bool known_only) {
  const Result<std::string> text = read_file(path, 1 << 20);
  if (!text) fail(text.error().message());
  const Result<json::Value> document = json::parse(*text, path);
  if (!document) fail(document.error().message());
  Filter filter;
  filter.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  const json::Value* seccomp = member(*document, "linux").find("seccomp");
  if (seccomp == nullptr) {
    filter.default_action = SECCOMP_RET_ALLOW;
    return filter;
  }
  const auto errno_ret = static_cast<uint32_t>(number_or(*seccomp, "defaultErrnoRet", EPERM));
  filter.default_action = action_from_name(member(*seccomp, "defaultAction").text(), errno_ret).value();
  filter.enosys_for_unknown = true;
  for (const json::Value& name : member(*seccomp, "architectures").items()) {
    filter.architectures.push_back(architecture_from_name(name.text()).value());
  }
  for (const json::Value& entry : member(*seccomp, "syscalls").items()) {
    filter.rules.push_back(rule_of(entry, known_only));
  }
  return filter;
}

std::vector<std::string> spec_paths() {
  const std::string directory = GABION_SOURCE_DIR "/tests/unit/oci/specs/";
  return {directory + "config-docker-20.10-default.json", directory + "config-docker-28.5-default.json",
          directory + "config-podman-5.8-default.json", directory + "config-cri2.3-container.json",
          directory + "config-cri2.3-sandbox.json"};
}

std::vector<seccomp_data> interesting_calls(const Filter& filter, size_t values_per_number) {
  uint64_t state = 0x9e3779b97f4a7c15U;
  const auto random = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  };
  std::vector<uint64_t> values = {
      0, 1, UINT32_MAX, UINT64_MAX, uint64_t{1} << 32, uint64_t{1} << 31, uint64_t{1} << 63};
  for (const Rule& rule : filter.rules) {
    for (const Condition& condition : rule.conditions) {
      for (const uint64_t value : {condition.value, condition.value_two}) {
        constexpr uint64_t kHigh = uint64_t{1} << 32;
        for (const uint64_t near :
             {value, value - 1, value + 1, value ^ kHigh, value | 7 * kHigh, value & (kHigh - 1), ~value}) {
          values.push_back(near);
        }
      }
    }
  }
  std::vector<seccomp_data> calls;
  const auto ask = [&calls](uint32_t arch, uint32_t number) -> seccomp_data& {
    seccomp_data call{};
    call.arch = arch;
    call.nr = static_cast<int>(number);
    calls.push_back(call);
    return calls.back();
  };
  const auto ask_with_arguments = [&](uint32_t arch, uint32_t number, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      seccomp_data& call = ask(arch, number);
      for (auto& argument : call.args) argument = values[random() % values.size()];
      if (i % 4 == 0) call.args[0] = random() % 32;  // the codes of socketcall(2) and ipc(2)
    }
  };
  for (const uint32_t arch :
       {static_cast<uint32_t>(AUDIT_ARCH_X86_64), static_cast<uint32_t>(AUDIT_ARCH_I386)}) {
    for (const uint32_t base : {0U, kX32Bit, 2 * kX32Bit, 3 * kX32Bit}) {
      for (uint32_t number = 0; number < 600; ++number) ask_with_arguments(arch, base + number, 1);
      ask(arch, base - 1);
    }
    for (const Rule& rule : filter.rules) {
      if (rule.conditions.empty()) continue;
      for (const std::string& name : rule.names) {
        for (const Architecture& known : kArchitectures) {
          const int number = seccomp_syscall_resolve_name_arch(known.libseccomp, name.c_str());
          if (number >= 0) ask_with_arguments(known.audit, static_cast<uint32_t>(number), values_per_number);
        }
      }
    }
  }
  ask_with_arguments(AUDIT_ARCH_I386, 102, values_per_number);
  ask_with_arguments(AUDIT_ARCH_I386, 117, values_per_number);
  ask(AUDIT_ARCH_AARCH64, 1);
  return calls;
}

}  // namespace gabion::kernel::seccomp::test
