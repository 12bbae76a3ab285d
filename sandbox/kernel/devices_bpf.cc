#include "kernel/devices_bpf.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/fd.h"
#include "kernel/cgroup_devices.h"

namespace gabion::kernel {
namespace {

// What tells our program from others' on the same group (BPF_OBJ_NAME_LEN is 16).
constexpr std::string_view kName = "gabion_devices";

// --- the assembler -------------------------------------------------------------------------------

// Registers: the context comes in r1, the answer goes out in r0. r2 keeps the device type, r3 the
// accesses not settled yet, r4 holds a number while it is compared.
enum Register : uint8_t { kAnswer = 0, kContext = 1, kType = 2, kAccess = 3, kNumber = 4 };

bpf_insn make(uint8_t code, uint8_t destination, uint8_t source, int16_t offset, int32_t immediate) {
  bpf_insn instruction{};
  instruction.code = code;
  instruction.dst_reg = destination & 0xf;
  instruction.src_reg = source & 0xf;
  instruction.off = offset;
  instruction.imm = immediate;
  return instruction;
}

class Assembler {
 public:
  void load(Register to, size_t context_offset) {
    emit(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int16_t>(context_offset), 0);
  }
  void move(Register to, Register from) { emit(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0); }
  void bit_and(Register to, int32_t mask) { emit(BPF_ALU | BPF_AND | BPF_K, to, 0, 0, mask); }
  void shift_right(Register to, int32_t bits) { emit(BPF_ALU | BPF_RSH | BPF_K, to, 0, 0, bits); }
  void answer(bool allow) {
    emit(BPF_ALU64 | BPF_MOV | BPF_K, kAnswer, 0, 0, allow ? 1 : 0);
    emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  // Leaves the current rule when the register differs from (is not zero for) the value. JMP32: the
  // numbers are 32 bits, and an immediate would be sign-extended to 64.
  void next_unless_equal(Register left, uint32_t value) {
    pending_.push_back(program_.size());
    emit(BPF_JMP32 | BPF_JNE | BPF_K, left, 0, 0, static_cast<int32_t>(value));
  }
  void next_unless_any(Register left, int32_t mask) {
    emit(BPF_JMP32 | BPF_JSET | BPF_K, left, 0, 1, mask);
    pending_.push_back(program_.size());
    emit(BPF_JMP | BPF_JA, 0, 0, 0, 0);
  }
  // The rule ends here: its exits lead to what follows.
  void end_rule() {
    for (size_t jump : pending_) program_[jump].off = static_cast<int16_t>(program_.size() - jump - 1);
    pending_.clear();
  }
  BpfProgram take() { return std::move(program_); }

 private:
  void emit(int code, uint8_t destination, uint8_t source, int16_t offset, int32_t immediate) {
    program_.push_back(make(static_cast<uint8_t>(code), destination, source, offset, immediate));
  }

  BpfProgram program_;
  std::vector<size_t> pending_;
};

constexpr int32_t kAllAccess = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

int32_t access_mask(const DeviceRule& rule) {
  const int32_t mask = (rule.read ? BPF_DEVCG_ACC_READ : 0) | (rule.write ? BPF_DEVCG_ACC_WRITE : 0) |
                       (rule.mknod ? BPF_DEVCG_ACC_MKNOD : 0);
  // A denial that names no access is one of everything; a grant of nothing grants nothing.
  return mask == 0 && !rule.allow ? kAllAccess : mask;
}

void assemble_rule(Assembler& out, const DeviceRule& rule) {
  const int32_t mask = access_mask(rule);
  const bool known_type = rule.type == 'a' || rule.type == 'b' || rule.type == 'c';
  if (mask == 0 || (rule.allow && !known_type)) return;
  if (rule.type == 'b') out.next_unless_equal(kType, BPF_DEVCG_DEV_BLOCK);
  if (rule.type == 'c') out.next_unless_equal(kType, BPF_DEVCG_DEV_CHAR);
  // The numbers are loaded anew for each rule: kept in registers, the verifier would follow every
  // value they were compared with through all rules after it, and give up (E2BIG) at a few hundred.
  if (rule.major >= 0) {
    out.load(kNumber, offsetof(bpf_cgroup_dev_ctx, major));
    out.next_unless_equal(kNumber, static_cast<uint32_t>(rule.major));
  }
  if (rule.minor >= 0) {
    out.load(kNumber, offsetof(bpf_cgroup_dev_ctx, minor));
    out.next_unless_equal(kNumber, static_cast<uint32_t>(rule.minor));
  }
  if (rule.allow) {
    // What this rule grants is settled; earlier rules speak only about the rest.
    if (mask != kAllAccess) {
      out.bit_and(kAccess, ~mask);
      out.next_unless_equal(kAccess, 0);
    }
    out.answer(true);
  } else {
    if (mask != kAllAccess) out.next_unless_any(kAccess, mask);
    out.answer(false);
  }
  out.end_rule();
}

// --- bpf(2) --------------------------------------------------------------------------------------

long bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
}

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

Result<Fd> load(const BpfProgram& program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = address(program.data());
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  // No helper is called, so no GPL is asked for.
  attributes.license = address("Apache-2.0");
  std::memcpy(attributes.prog_name, kName.data(), kName.size());
  const long fd = bpf(BPF_PROG_LOAD, attributes);
  if (fd < 0) return sys_error("cannot set the device rules: load BPF device program");
  return Fd(static_cast<int>(fd));
}

// Our program on the group, if there is one; programs of other owners (systemd's DevicePolicy) are
// left alone.
Result<Fd> find_attached(int cgroup) {
  std::array<uint32_t, 64> ids{};  // the kernel's BPF_CGROUP_MAX_PROGS
  bpf_attr query{};
  query.query.target_fd = static_cast<uint32_t>(cgroup);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = address(ids.data());
  query.query.prog_cnt = ids.size();
  if (bpf(BPF_PROG_QUERY, query) < 0) return sys_error("cannot set the device rules: query BPF programs");
  for (uint32_t i = 0; i < query.query.prog_cnt && i < ids.size(); ++i) {
    bpf_attr by_id{};
    by_id.prog_id = ids[i];
    Fd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, by_id)));
    if (!program) continue;  // detached by its owner meanwhile
    bpf_prog_info info{};
    bpf_attr ask{};
    ask.info.bpf_fd = static_cast<uint32_t>(program.get());
    ask.info.info_len = sizeof(info);
    ask.info.info = address(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, ask) == 0 && kName == info.name) return program;
  }
  return Fd();
}

}  // namespace

BpfProgram device_program(const std::vector<DeviceRule>& rules) {
  Assembler out;
  // bpf_cgroup_dev_ctx: access_type is BPF_DEVCG_ACC_* << 16 | BPF_DEVCG_DEV_*. Whole words only:
  // narrow loads of it are refused before Linux 4.17.
  out.load(kType, offsetof(bpf_cgroup_dev_ctx, access_type));
  out.move(kAccess, kType);
  out.bit_and(kType, 0xffff);
  out.shift_right(kAccess, 16);
  // Last rule first. One that settles everything hides those before it, and the verifier refuses
  // instructions that cannot be reached.
  bool default_allow = false;
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (is_whole_rule(*rule)) {
      default_allow = rule->allow;
      break;
    }
    assemble_rule(out, *rule);
  }
  out.answer(default_allow);
  return out.take();
}

Status attach_device_program(int cgroup, const BpfProgram& program) {
  const Fd fresh = TRY(load(program));
  const Fd old = TRY(find_attached(cgroup));
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(cgroup);
  attributes.attach_bpf_fd = static_cast<uint32_t>(fresh.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (old) {
    attributes.attach_flags |= BPF_F_REPLACE;
    attributes.replace_bpf_fd = static_cast<uint32_t>(old.get());
  }
  if (bpf(BPF_PROG_ATTACH, attributes) < 0) {
    return sys_error("cannot set the device rules: attach BPF device program");
  }
  return ok_status();
}

}  // namespace gabion::kernel
