#include "kernel/mdwe.h"

#include <sys/prctl.h>

#include <cerrno>

namespace gabion::kernel {

namespace {

// linux/prctl.h of Linux 6.3; the system's may be older.
constexpr int kSetMdwe = 65;
constexpr int kGetMdwe = 66;
constexpr unsigned long kRefuseExecGain = 1;

}  // namespace

Status check_mdwe() {
  if (::prctl(kGetMdwe, 0, 0, 0, 0) >= 0) return ok_status();
  if (errno != EINVAL) return sys_error("prctl(PR_GET_MDWE)");
  return make_error(
      Code::kUnsupported,
      "the kernel cannot refuse memory that is writable and executable: boot Linux 6.3 or newer");
}

Status refuse_exec_gain() {
  if (::prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0) != 0) return sys_error("prctl(PR_SET_MDWE)");
  return ok_status();
}

}  // namespace gabion::kernel
