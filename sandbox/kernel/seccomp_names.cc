// The words of the OCI runtime specification for actions, architectures, operators and flags.
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <string>

#include "base/text.h"
#include "kernel/seccomp.h"

namespace gabion::kernel::seccomp {
namespace {

// Newer than Debian 12's headers.
constexpr uint32_t kFlagWaitKillableRecv = 1U << 5;
constexpr uint32_t kArchLoongarch64 = 258U | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE;

struct Word {
  std::string_view name;
  uint32_t value;
};

constexpr Word kActions[] = {
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
};

constexpr Word kArchitectures[] = {
    {"SCMP_ARCH_X86", AUDIT_ARCH_I386},
    {"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64},
    {"SCMP_ARCH_X32", kArchX32},
    {"SCMP_ARCH_ARM", AUDIT_ARCH_ARM},
    {"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64},
    {"SCMP_ARCH_MIPS", AUDIT_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", AUDIT_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", AUDIT_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", AUDIT_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PPC", AUDIT_ARCH_PPC},
    {"SCMP_ARCH_PPC64", AUDIT_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE},
    {"SCMP_ARCH_S390", AUDIT_ARCH_S390},
    {"SCMP_ARCH_S390X", AUDIT_ARCH_S390X},
    {"SCMP_ARCH_PARISC", AUDIT_ARCH_PARISC},
    {"SCMP_ARCH_PARISC64", AUDIT_ARCH_PARISC64},
    {"SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64},
    {"SCMP_ARCH_LOONGARCH64", kArchLoongarch64},
    {"SCMP_ARCH_M68K", AUDIT_ARCH_M68K},
    {"SCMP_ARCH_SH", AUDIT_ARCH_SHEL},
    {"SCMP_ARCH_SHEB", AUDIT_ARCH_SH},
};

constexpr Word kComparisons[] = {
    {"SCMP_CMP_NE", static_cast<uint32_t>(Compare::kNotEqual)},
    {"SCMP_CMP_LT", static_cast<uint32_t>(Compare::kLess)},
    {"SCMP_CMP_LE", static_cast<uint32_t>(Compare::kLessEqual)},
    {"SCMP_CMP_EQ", static_cast<uint32_t>(Compare::kEqual)},
    {"SCMP_CMP_GE", static_cast<uint32_t>(Compare::kGreaterEqual)},
    {"SCMP_CMP_GT", static_cast<uint32_t>(Compare::kGreater)},
    {"SCMP_CMP_MASKED_EQ", static_cast<uint32_t>(Compare::kMaskedEqual)},
};

constexpr Word kFlags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_NEW_LISTENER", SECCOMP_FILTER_FLAG_NEW_LISTENER},
    {"SECCOMP_FILTER_FLAG_TSYNC_ESRCH", SECCOMP_FILTER_FLAG_TSYNC_ESRCH},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", kFlagWaitKillableRecv},
};

template <size_t kCount>
Result<uint32_t> find(const Word (&words)[kCount], std::string_view kind, std::string_view name) {
  for (const Word& word : words) {
    if (word.name == name) return word.value;
  }
  return make_error(Code::kInvalid, concat({"seccomp: unknown ", kind, " \"", name, "\""}));
}

}  // namespace

Result<uint32_t> action_from_name(std::string_view name, uint32_t errno_ret) {
  // The kernel answers larger errno values with 4095 (MAX_ERRNO); a tracer gets 16 bits.
  constexpr uint32_t kMaxErrno = 4095;
  const uint32_t action = TRY(find(kActions, "action", name));
  const uint32_t max = action == SECCOMP_RET_ERRNO ? kMaxErrno : SECCOMP_RET_DATA;
  if (action != SECCOMP_RET_ERRNO && action != SECCOMP_RET_TRACE) return action;
  if (errno_ret > max) {
    return make_error(Code::kInvalid, concat({"seccomp: errnoRet ", std::to_string(errno_ret), " of ", name,
                                              " is above ", std::to_string(max)}));
  }
  return action | errno_ret;
}

Result<uint32_t> architecture_from_name(std::string_view name) {
  return find(kArchitectures, "architecture", name);
}

Result<Compare> compare_from_name(std::string_view name) {
  const uint32_t value = TRY(find(kComparisons, "operator", name));
  return static_cast<Compare>(value);
}

Result<uint32_t> flag_from_name(std::string_view name) { return find(kFlags, "flag", name); }

}  // namespace gabion::kernel::seccomp
