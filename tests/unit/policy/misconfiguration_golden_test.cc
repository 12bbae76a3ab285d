// Golden decisions of every misconfiguration and mode: what is asked, what the policy makes of it, what it
// says. The specification is one that the tier has nothing against, so that nothing else shows.
// GABION_UPDATE_GOLDEN=1 writes the files anew; read the difference before committing it.
#include <dirent.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "misconfigurations_parts.h"
#include "oci/writer.h"

namespace gabion::policy::test {
namespace {

constexpr std::pair<const char*, Mode> kModes[] = {
    {"rewrite", Mode::kRewrite}, {"refuse", Mode::kRefuse}, {"warn", Mode::kWarn}};

std::string directory() {
  return std::string(GABION_SOURCE_DIR) + "/tests/unit/policy/golden/misconfigurations/";
}

// --- a document as lines, and the difference of two -----------------------------------------------------

bool is_text(const json::Value& value) { return value.is(json::Value::Kind::kString); }

void append_lines(const json::Value& value, const std::string& path, std::vector<std::string>& lines) {
  if (value.is(json::Value::Kind::kObject) && !value.members().empty()) {
    for (const json::Member& member : value.members())
      append_lines(member.second, path.empty() ? member.first : concat({path, ".", member.first}), lines);
  } else if (value.is(json::Value::Kind::kArray) && !any(value.items(), is_text)) {
    for (const json::Value& item : value.items()) lines.push_back(concat({path, "[] ", json::write(item)}));
  } else if (!path.empty()) {
    lines.push_back(concat({path, " ", json::write(value)}));
  }
}

std::string difference(const json::Value& before, const json::Value& after) {
  std::vector<std::string> old;
  std::vector<std::string> now;
  append_lines(before, "", old);
  append_lines(after, "", now);
  const std::multiset<std::string> in_old(old.begin(), old.end());
  const std::multiset<std::string> in_now(now.begin(), now.end());
  std::string text;
  for (const std::string& line : old) {
    if (in_now.count(line) < in_old.count(line)) text += concat({"  - ", line, "\n"});
  }
  for (const std::string& line : now) {
    if (in_old.count(line) < in_now.count(line)) text += concat({"  + ", line, "\n"});
  }
  return text.empty() ? "  nothing\n" : text;
}

// --- a story in three parts -------------------------------------------------------------------------

std::string tell(std::string_view mode, Rule rule, const json::Value& clean, const json::Value& asked,
                 const json::Value* made, const std::vector<Decision>& decisions) {
  return concat({"asks\n", difference(clean, asked), "\n", rule_name(rule), ": ", mode, "\n",
                 made == nullptr ? "  refused\n" : difference(asked, *made), "\n", print(decisions)});
}

void compare(const std::string& name, const char* mode, const std::string& actual) {
  const std::string path = concat({directory(), name, ".", mode, ".txt"});
  if (std::getenv("GABION_UPDATE_GOLDEN") != nullptr) {
    const Status written = write_file_atomic(path, actual, 0644);
    ASSERT_TRUE(written.ok()) << written.error().message();
    return;
  }
  const Result<std::string> expected = read_file(path, 1U << 20);
  ASSERT_TRUE(expected.ok()) << expected.error().message();
  EXPECT_EQ(actual, *expected) << path;
}

// Docker's filter is some hundred names that are not the point here.
oci::Seccomp short_filter() {
  oci::Seccomp filter;
  filter.default_action = "SCMP_ACT_ALLOW";
  filter.architectures = {"SCMP_ARCH_X86_64"};
  filter.syscalls.emplace_back().names = {"acct"};
  filter.syscalls.back().action = "SCMP_ACT_ERRNO";
  return filter;
}

oci::Spec clean_spec() {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.linux_.seccomp = short_filter();
  return must_pass(spec, tier("restricted"), plausible_facts(spec)).spec();
}

class CreateGolden : public testing::TestWithParam<Row> {};

TEST_P(CreateGolden, IsAsRecorded) {
  const Row& row = GetParam();
  const oci::Spec clean = clean_spec();
  for (const auto& [name, mode] : kModes) {
    Policy policy = tier("restricted");
    policy.set_mode(row.rule, mode);
    if (row.set_policy != nullptr) row.set_policy(policy);
    oci::Spec asked = clean;
    HostFacts facts = plausible_facts(clean);
    row.break_it(asked, facts);
    const json::Value before = oci::write_spec(clean);
    const json::Value between = oci::write_spec(asked);
    const auto verdict = harden(asked, policy, facts);
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      compare(row.name, name, tell(name, row.rule, before, between, nullptr, refusal->decisions));
      continue;
    }
    const auto& hardened = std::get<HardenedSpec>(verdict);
    const json::Value after = oci::write_spec(hardened.spec());
    compare(row.name, name, tell(name, row.rule, before, between, &after, hardened.decisions()));
  }
}

class ExecGolden : public testing::TestWithParam<ExecRow> {};

TEST_P(ExecGolden, IsAsRecorded) {
  const ExecRow& row = GetParam();
  for (const auto& [name, mode] : kModes) {
    Policy policy = tier("restricted");
    policy.set_mode(row.rule, mode);
    oci::Process running = *clean_spec().process;
    const oci::Process clean = running;
    oci::Process asked = running;
    row.break_it(asked, running, policy);
    const json::Value before = oci::write_process(clean);
    const json::Value between = oci::write_process(asked);
    const auto verdict = harden_process(asked, running, policy, {});
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      compare(row.name, name, tell(name, row.rule, before, between, nullptr, refusal->decisions));
      continue;
    }
    const auto& hardened = std::get<HardenedProcess>(verdict);
    const json::Value after = oci::write_process(hardened.process());
    compare(row.name, name, tell(name, row.rule, before, between, &after, hardened.decisions()));
  }
}

class UpdateGolden : public testing::TestWithParam<UpdateRow> {};

TEST_P(UpdateGolden, IsAsRecorded) {
  const UpdateRow& row = GetParam();
  for (const auto& [name, mode] : kModes) {
    Policy policy = tier("restricted");
    policy.set_mode(row.rule, mode);
    oci::Resources asked;
    row.break_it(asked);
    const json::Value between = oci::write_resources(asked);
    const oci::Spec running = clean_spec();
    const auto verdict =
        harden_resources(asked, *running.linux_.resources, policy, {}, plausible_facts(running));
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      compare(row.name, name,
              tell(name, row.rule, json::Value::object(), between, nullptr, refusal->decisions));
      continue;
    }
    const auto& hardened = std::get<HardenedResources>(verdict);
    const json::Value after = oci::write_resources(hardened.resources());
    compare(row.name, name,
            tell(name, row.rule, json::Value::object(), between, &after, hardened.decisions()));
  }
}

template <typename T>
std::string row_name(const testing::TestParamInfo<T>& test) {
  return test.param.name;
}
INSTANTIATE_TEST_SUITE_P(Mounts, CreateGolden, testing::ValuesIn(kMountRows), row_name<Row>);
INSTANTIATE_TEST_SUITE_P(Process, CreateGolden, testing::ValuesIn(kProcessRows), row_name<Row>);
INSTANTIATE_TEST_SUITE_P(Node, CreateGolden, testing::ValuesIn(kNodeRows), row_name<Row>);
INSTANTIATE_TEST_SUITE_P(Rows, ExecGolden, testing::ValuesIn(kExecRows), row_name<ExecRow>);
INSTANTIATE_TEST_SUITE_P(Rows, UpdateGolden, testing::ValuesIn(kUpdateRows), row_name<UpdateRow>);

// A file of a row that is no more would say what nothing checks.
TEST(Golden, EveryFileBelongsToARow) {
  std::set<std::string> expected;
  const auto add = [&](const auto& rows) {
    for (const auto& row : rows) {
      for (const auto& [mode, unused] : kModes) expected.insert(concat({row.name, ".", mode, ".txt"}));
    }
  };
  add(kMountRows);
  add(kProcessRows);
  add(kNodeRows);
  add(kExecRows);
  add(kUpdateRows);
  std::set<std::string> found;
  DIR* const list = ::opendir(directory().c_str());
  ASSERT_NE(list, nullptr);
  while (const dirent* const entry = ::readdir(list)) {
    if (entry->d_name[0] != '.') found.insert(entry->d_name);
  }
  ::closedir(list);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace gabion::policy::test
