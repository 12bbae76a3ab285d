#include "shim/containerd/rootfs_ids.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::shim {

namespace {

using Mappings = std::vector<oci::IdMapping>;

constexpr std::string_view kUids = "uidmap=";
constexpr std::string_view kGids = "gidmap=";

Result<Mappings> parse_mappings(std::string_view text) {
  Mappings mappings;
  for (const std::string_view entry : split(text, ',')) {
    std::vector<uint32_t> numbers;
    for (const std::string_view word : split(entry, ':')) {
      const std::optional<uint64_t> number = parse_unsigned(word, UINT32_MAX);
      if (number) numbers.push_back(static_cast<uint32_t>(*number));
    }
    if (numbers.size() != 3) {
      return make_error(Code::kInvalid, concat({"rootfs: \"", entry, "\" is not CONTAINER:HOST:SIZE"}));
    }
    mappings.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return mappings;
}

Status read_option(std::string_view option, std::string_view key, Mappings& mappings) {
  if (!option.starts_with(key)) return ok_status();
  Mappings read = TRY(parse_mappings(option.substr(key.size())));
  if (!mappings.empty() && mappings != read) {
    return make_error(Code::kInvalid, concat({"rootfs: two different options ", key}));
  }
  mappings = std::move(read);
  return ok_status();
}

// What `outside` is inside; itself where it is not of the pod's.
uint32_t map_to_inside(const Mappings& mappings, uint32_t outside) {
  for (const oci::IdMapping& entry : mappings) {
    if (outside >= entry.host_id && outside - entry.host_id < entry.size)
      return entry.container_id + (outside - entry.host_id);
  }
  return outside;
}

}  // namespace

bool is_id_map(std::string_view option) { return option.starts_with(kUids) || option.starts_with(kGids); }

Result<std::optional<container::RootIds>> root_ids(const std::vector<proto::Mount>& mounts) {
  container::RootIds ids;
  for (const proto::Mount& mount : mounts) {
    for (const std::string& option : mount.options) {
      TRY(read_option(option, kUids, ids.uids));
      TRY(read_option(option, kGids, ids.gids));
    }
  }
  if (ids.uids.empty() && ids.gids.empty()) return std::optional<container::RootIds>();
  if (ids.uids.empty() || ids.gids.empty()) {
    return make_error(Code::kInvalid, "rootfs: uidmap= and gidmap= go together");
  }
  return std::optional<container::RootIds>(std::move(ids));
}

Status restore_owner(const std::string& upper, const container::RootIds& ids) {
  const Fd directory = TRY_AT(open_path(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), "rootfs");
  struct stat info {};
  if (::fstat(directory.get(), &info) != 0) return sys_error(concat({"rootfs: stat ", upper}));
  const uint32_t uid = map_to_inside(ids.uids, info.st_uid);
  const uint32_t gid = map_to_inside(ids.gids, info.st_gid);
  if (uid == info.st_uid && gid == info.st_gid) return ok_status();
  if (::fchown(directory.get(), uid, gid) != 0) return sys_error(concat({"rootfs: chown ", upper}));
  return ok_status();
}

}  // namespace gabion::shim
