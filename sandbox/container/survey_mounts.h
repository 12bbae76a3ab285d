// The host's mount table, asked one question: which other paths show the same files? A path says nothing
// of what an administrator, or `docker volume create -o o=bind`, has mounted at it or below it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/facts.h"

namespace gabion::container {

class HostMounts {
 public:
  // /proc/self/mountinfo as it is now.
  static Result<HostMounts> read();
  // Public for tests: the text of a mountinfo.
  static HostMounts parse(std::string_view text);

  // Where else the file `path`, which lies on the mount numbered `mount_id`, can be seen: through a mount
  // of the same filesystem that shows at least as much of it. "/srv/v" → "/etc" after `mount --bind /etc
  // /srv/v`, but not the other way about.
  [[nodiscard]] std::vector<std::string> aliases(uint64_t mount_id, std::string_view path) const;

  // The mounts strictly below `path`, each with its filesystem and aliases.
  [[nodiscard]] std::vector<policy::NestedMount> below(std::string_view path) const;

 private:
  struct Entry {
    uint64_t id = 0;
    std::string device;  // "major:minor"
    std::string root;    // what of the filesystem is mounted
    std::string point;
    std::string type;
  };
  [[nodiscard]] std::vector<std::string> aliases_of(const Entry& entry, std::string_view path) const;
  std::vector<Entry> entries_;
};

}  // namespace gabion::container
