#include "kernel/capabilities.h"

#include <linux/capability.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "base/file.h"
#include "base/text.h"

namespace gabion::kernel {

namespace {

__user_cap_header_struct header() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

// capset(2) directly: libcap's cap_set_proc() allocates and, with libpsx linked, wraps threads that
// this single-threaded process does not have.
Status set_words(CapabilitySet effective, CapabilitySet permitted, CapabilitySet inheritable) {
  __user_cap_header_struct head = header();
  __user_cap_data_struct data[2]{};
  for (unsigned word = 0; word < 2; ++word) {
    data[word].effective = static_cast<uint32_t>(effective >> (32 * word));
    data[word].permitted = static_cast<uint32_t>(permitted >> (32 * word));
    data[word].inheritable = static_cast<uint32_t>(inheritable >> (32 * word));
  }
  if (::syscall(SYS_capset, &head, data) != 0) return sys_error("set capabilities (capset)");
  return ok_status();
}

}  // namespace

std::optional<unsigned> capability_number(std::string_view name) {
  // cap_from_name(3) knows the lower-case names; OCI has "CAP_CHOWN".
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  cap_value_t value = 0;
  if (::cap_from_name(lower.c_str(), &value) != 0 || value < 0 || value > 63) return std::nullopt;
  return static_cast<unsigned>(value);
}

CapabilitySet all_capabilities() {
  unsigned last = CAP_LAST_CAP;
  // PR_CAPBSET_READ answers EINVAL beyond the kernel's last: no file to open.
  while (last < 63 && ::prctl(PR_CAPBSET_READ, last + 1) >= 0) ++last;
  while (last > 0 && ::prctl(PR_CAPBSET_READ, last) < 0) --last;
  return last >= 63 ? ~CapabilitySet{0} : (CapabilitySet{1} << (last + 1)) - 1;
}

Status limit_bounding_set(CapabilitySet bounding) {
  const CapabilitySet all = all_capabilities();
  for (unsigned number = 0; number < 64; ++number) {
    const CapabilitySet bit = CapabilitySet{1} << number;
    if ((all & bit) == 0 || (bounding & bit) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, number) != 0) return sys_error("drop from the capability bounding set");
  }
  return ok_status();
}

Status set_capabilities(const CapabilitySets& sets) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return sys_error("clear the ambient capabilities");
  }
  TRY(set_words(sets.effective, sets.permitted, sets.inheritable));
  for (unsigned number = 0; number < 64; ++number) {
    if ((sets.ambient >> number & 1) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0) {
      return sys_error("raise an ambient capability");
    }
  }
  return ok_status();
}

Status limit_permitted(CapabilitySet keep) {
  __user_cap_header_struct head = header();
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &head, data) != 0) return sys_error("read capabilities (capget)");
  for (unsigned word = 0; word < 2; ++word) {
    data[word].permitted &= static_cast<uint32_t>(keep >> (32 * word));
    data[word].effective &= data[word].permitted;
  }
  if (::syscall(SYS_capset, &head, data) != 0) return sys_error("drop capabilities (capset)");
  return ok_status();
}

Status raise_all_permitted() {
  __user_cap_header_struct head = header();
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &head, data) != 0) return sys_error("read capabilities (capget)");
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  if (::syscall(SYS_capset, &head, data) != 0) return sys_error("raise capabilities (capset)");
  return ok_status();
}

}  // namespace gabion::kernel
