#include "probe/host.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "kernel/user_namespace_map.h"

namespace gabion::probe {

Result<std::string> host_id_of_root() {
  constexpr size_t kLimit = 65536;
  const std::string map = TRY(read_file("/proc/self/uid_map", kLimit));
  for (const kernel::IdMap& line : kernel::parse_id_map(map)) {
    if (line.inside == 0) return std::to_string(line.outside);
  }
  return std::string();
}

unsigned long namespace_number(const std::string& name) {
  struct stat info {};
  return ::stat(concat({"/proc/self/ns/", name}).c_str(), &info) == 0 ? info.st_ino : 0;
}

bool in_hosts_user_namespace() {
  constexpr unsigned long kFirstUser = 0xEFFFFFFD;  // PROC_USER_INIT_INO of the kernel
  return namespace_number("user") == kFirstUser;
}

}  // namespace gabion::probe
