#include "container/confine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/path.h"
#include "base/text.h"
#include "container/landlock_rules.h"
#include "kernel/landlock.h"
#include "kernel/mdwe.h"
#include "kernel/mountinfo.h"

namespace gabion::container {

namespace {

namespace landlock = kernel::landlock;
using landlock::Access;

// What every Landlock has, ABI 1: without it there would be no second wall.
const Access kRequired = landlock::known_rights(1);

struct Opened {
  LandlockPlace* place;
  Fd fd;
};

// What /proc/self/fd says of a descriptor, relative to the process's root.
Result<std::string> path_inside(int fd, int proc) {
  char buffer[PATH_MAX];
  const std::string link = concat({"self/fd/", std::to_string(fd)});
  const ssize_t size = ::readlinkat(proc, link.c_str(), buffer, sizeof(buffer));
  if (size <= 0) return sys_error(concat({"readlink ", link}));
  return std::string(buffer, static_cast<size_t>(size));
}

// The places that are there, which then say so. One that is not gives no right: a volatile path whose
// directory the image lacks, and for exec what a process of the container has moved, or put a link or another
// mount in the place of.
Result<std::vector<Opened>> open_places(int root, std::vector<LandlockPlace>& places, int proc) {
  std::vector<Opened> opened;
  for (LandlockPlace& place : places) {
    const bool known = place.mount != 0;
    Result<Fd> fd = open_in_root(root, place.path, O_PATH, known ? Links::kNone : Links::kInside);
    if (!fd.ok()) {
      const int reason = fd.error().sys_errno;
      if (known && fd.error().code == Code::kInvalid) continue;  // a link
      if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == EACCES) continue;
      return std::move(fd).error().wrap(place.path);
    }
    if (place.mounted && place.path != "/") {
      const bool is_mounted = TRY_AT(kernel::is_mount_root(fd->get()), place.path);
      if (!is_mounted) continue;
    }
    const uint64_t mount = TRY_AT(kernel::mount_id(fd->get()), place.path);
    if (known && mount != place.mount) continue;
    place.path = TRY(path_inside(fd->get(), proc));
    place.mount = mount;
    opened.push_back({&place, std::move(fd).value()});
  }
  return opened;
}

// A rule belongs to an inode, and one inode can be mounted at two places: what it may be given by both.
class Grants {
 public:
  explicit Grants(const landlock::Ruleset& ruleset) : ruleset_(ruleset) {}

  Status note(int fd, Access access) {
    const Key key = TRY(key_of(fd));
    noted_[key] |= access;
    return ok_status();
  }

  Status allow(int fd, Access access) const {
    const Key key = TRY(key_of(fd));
    const auto noted = noted_.find(key);
    const Access all = access | (noted == noted_.end() ? 0 : noted->second);
    if ((all & landlock::kWriteFile) != 0 && !root_is(key)) access &= ~landlock::kExecute;
    return ruleset_.allow(fd, access);
  }

  // Of a writable root the programs themselves can be written; only there.
  Status except_root(int fd) {
    root_ = TRY(key_of(fd));
    return ok_status();
  }

 private:
  using Key = std::pair<dev_t, ino_t>;
  static Result<Key> key_of(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return sys_error("stat");
    return Key(info.st_dev, info.st_ino);
  }
  [[nodiscard]] bool root_is(const Key& key) const { return key == root_; }

  const landlock::Ruleset& ruleset_;
  std::map<Key, Access> noted_;
  Key root_{};
};

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

// Programs and directories that may hold some. Links are judged by where they lead.
bool may_execute(int directory, const dirent& entry) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_REG && entry.d_type != DT_UNKNOWN) return false;
  struct stat info {};
  if (::fstatat(directory, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return S_ISDIR(info.st_mode) || (S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0);
}

Status allow_entries(int root, const LandlockRule& rule, const Grants& grants) {
  Result<Fd> opened = open_in_root(root, rule.path, O_RDONLY | O_DIRECTORY, Links::kNone);
  if (!opened.ok()) return std::move(opened).error();
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(opened->get()));
  if (!directory) return sys_error("fdopendir");
  (void)opened->release();
  const int fd = ::dirfd(directory.get());
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || !may_execute(fd, *entry)) continue;
    if (std::find(rule.except.begin(), rule.except.end(), name) != rule.except.end()) continue;
    const Result<Fd> file = open_at(fd, name, O_PATH | O_NOFOLLOW);
    // Removed meanwhile, by a process of the container whose root is writable: nothing to give a right to.
    if (!file.ok() && file.error().sys_errno == ENOENT) continue;
    if (!file.ok()) return Error(file.error()).wrap(name);
    TRY_AT(grants.allow(file->get(), rule.access), name);
  }
  return errno == 0 ? ok_status() : Status(sys_error("readdir"));
}

Result<Fd> open_rules(std::vector<LandlockPlace>& places, int proc) {
  const int abi = TRY(landlock::abi());
  landlock::Ruleset ruleset = TRY(landlock::Ruleset::make(landlock::kAll, kRequired, abi));
  const Fd root = TRY(open_path("/", O_PATH | O_DIRECTORY));
  const std::vector<Opened> opened = TRY(open_places(root.get(), places, proc));
  std::vector<LandlockPlace> real;
  real.reserve(opened.size());
  for (const Opened& item : opened) real.push_back(*item.place);

  Grants grants(ruleset);
  TRY(grants.except_root(root.get()));
  // The last of those with one path is what is seen there; looked up by the path, so are all of them.
  std::map<std::string, int> by_path;
  for (const Opened& item : opened) by_path[item.place->path] = item.fd.get();
  const std::vector<LandlockRule> rules = landlock_rules(visible_places(real));
  for (const LandlockRule& rule : rules) {
    if (!rule.entries) TRY_AT(grants.note(by_path[rule.path], rule.access), rule.path);
  }
  for (const LandlockRule& rule : rules) {
    TRY_AT(rule.entries ? allow_entries(root.get(), rule, grants)
                        : grants.allow(by_path[rule.path], rule.access),
           rule.path);
  }
  return std::move(ruleset).take();
}

Error with_way_out(Error error, std::string_view key) {
  return std::move(error).wrap(
      concat({"policy \"", key, "\" (to do without it: \"", key, "\": false in the policy)"}));
}

}  // namespace

Status plan_confinement(ProcessPlan& process, const oci::Spec& spec, const policy::Controls& controls) {
  if (controls.landlock) {
    const Result<int> abi = landlock::abi();
    if (!abi.ok()) return with_way_out(abi.error(), "landlock");
    process.landlock = landlock_places(spec, controls);
  }
  if (controls.memory_deny_write_execute) {
    Status able = kernel::check_mdwe();
    if (!able.ok()) return with_way_out(std::move(able).error(), "memoryDenyWriteExecute");
    process.deny_write_execute = true;
  }
  return ok_status();
}

Result<Fd> open_landlock(ProcessPlan& process, int proc) {
  if (process.landlock.empty()) return Fd();
  return TRY_AT(open_rules(process.landlock, proc), "landlock");
}

Status confine(const ProcessPlan& process) {
  if (process.deny_write_execute) TRY_AT(kernel::refuse_exec_gain(), "memoryDenyWriteExecute");
  if (!process.landlock.empty()) TRY(landlock::restrict_self(process.landlock_ruleset.get()));
  return ok_status();
}

}  // namespace gabion::container
