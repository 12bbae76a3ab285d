#include "policy/trusted_file.h"

#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"
#include "policy/values.h"

namespace gabion::policy {

Status check_trusted_file(int fd, const std::string& path, std::string_view what, Parents parents) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error(path);
  if (!S_ISREG(info.st_mode)) return invalid(path, concat({what, " must be a regular file"}));
  if (info.st_uid != 0) {
    return invalid(path, concat({what, " must belong to root, not to uid ", std::to_string(info.st_uid),
                                 " (fix: chown root:root)"}));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return invalid(path, concat({what, " must be writable by root alone (fix: chmod go-w)"}));
  if (parents == Parents::kAny) return ok_status();
  // Under both names, where a directory on the way is a link.
  const std::string resolved = TRY(path_of(fd));
  if (!has_trusted_parents(path) || !has_trusted_parents(resolved)) {
    return invalid(path,
                   "a directory above it is not root's alone to write (fix: chown root:root, chmod go-w)");
  }
  return ok_status();
}

}  // namespace gabion::policy
