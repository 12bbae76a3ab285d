#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/text.h"
#include "kernel/seccomp.h"

namespace gabion::kernel::seccomp {

Result<int> load(const Program& program, uint32_t flags) {
  if (program.empty() || program.size() > BPF_MAXINSNS) {
    return make_error(Code::kInvalid, concat({"seccomp: a program of ", std::to_string(program.size()),
                                              " instructions cannot be loaded"}));
  }
  // sock_fprog takes a pointer to mutable instructions and only reads them.
  const sock_fprog prog{static_cast<unsigned short>(program.size()),
                        const_cast<sock_filter*>(program.data())};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
  if (result < 0) {
    switch (errno) {
      case EACCES:
        return sys_error(
            "seccomp: loading the filter needs no_new_privs or CAP_SYS_ADMIN in the user namespace "
            "(set process.noNewPrivileges)");
      case EBUSY:
        return sys_error("seccomp: another filter of this process already has a listener");
      case EINVAL:
        return sys_error(concat({"seccomp: the kernel does not take flags ", std::to_string(flags)}));
      default:
        return sys_error("seccomp: load the filter");
    }
  }
  // With TSYNC a positive value is the thread that could not be synchronised (seccomp(2)).
  if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) return static_cast<int>(result);
  if (result > 0) {
    return make_error(Code::kSystem,
                      concat({"seccomp: thread ", std::to_string(result), " cannot take the filter"}));
  }
  return -1;
}

}  // namespace gabion::kernel::seccomp
