// User namespaces and their id maps.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

struct IdMap {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t size = 0;
};

// "inside outside size\n" lines, as uid_map takes them.
std::string id_map_text(const std::vector<IdMap>& map);
// What `id` inside is outside; the id itself when `map` is empty; 65534 (overflow) when unmapped.
uint32_t map_to_host(const std::vector<IdMap>& map, uint32_t id);

// The first process of a new user namespace: only a process can make one, and idmapped mounts want its
// descriptor before the container's own first process has entered it. Killed and reaped with this object.
// Leaves the caller undumpable until its next execve(2).
class NamespaceHolder {
 public:
  static Result<NamespaceHolder> start();
  NamespaceHolder() = default;
  NamespaceHolder(const NamespaceHolder&) = delete;
  NamespaceHolder& operator=(const NamespaceHolder&) = delete;
  NamespaceHolder(NamespaceHolder&& other) noexcept { *this = std::move(other); }
  NamespaceHolder& operator=(NamespaceHolder&& other) noexcept;
  ~NamespaceHolder();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Kills it and does not wait: it dies while its maker goes on.
  void end() const;

 private:
  pid_t pid_ = 0;  // 0: none
  std::unique_ptr<std::byte[]> stack_;
};

struct UserNamespace {
  Fd fd;                   // alone keeps the namespace alive
  NamespaceHolder holder;  // already killed
};
Result<UserNamespace> create_user_namespace(const std::vector<IdMap>& uids, const std::vector<IdMap>& gids);

// Writes 0 to every user.max_*_namespaces of the caller's user namespace, so that nothing inside can
// make another namespace whatever seccomp says. `proc_sys_user` is a procfs's sys/user directory.
// The caller must still hold CAP_SYS_RESOURCE in that user namespace.
Status forbid_nested_namespaces(int proc_sys_user);

}  // namespace gabion::kernel
