#include "node/slots.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/path.h"

namespace gabion::node {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  (void)::closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<Slot> read_slots(const std::string& registry) {
  std::vector<Slot> slots;
  for (const std::string& name : names_in(registry)) {
    char buffer[PATH_MAX];
    const ssize_t size = ::readlink(join_path(registry, name).c_str(), buffer, sizeof(buffer));
    if (size < 0 || static_cast<size_t>(size) >= sizeof(buffer)) continue;  // .lock, .grid
    Slot slot{.name = name, .owner = std::string(buffer, static_cast<size_t>(size))};
    struct stat info {};
    slot.orphan = ::lstat(slot.owner.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
    slots.push_back(std::move(slot));
  }
  return slots;
}

uint32_t slot_of(uint32_t id, uint32_t base, uint32_t size) { return base + (id - base) / size * size; }

}  // namespace gabion::node
