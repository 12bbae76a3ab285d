#include "container/survey.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"
#include "container/survey_engine.h"
#include "container/survey_filesystem.h"
#include "container/survey_mounts.h"
#include "kernel/mountinfo.h"
#include "kernel/user_namespace_map.h"
#include "policy/exceptions.h"
#include "policy/seccomp_file.h"

namespace gabion::container {
namespace {

// An invalid Fd: there is no such file. Symbolic links are followed, magic ones too: the host's
// paths are root's, and `/proc/<pid>/exe` is how Docker names its hook.
Result<Fd> open_if_present(const std::string& path) {
  Result<Fd> fd = open_path(path, O_PATH);
  if (fd.ok()) return fd;
  const int reason = fd.error().sys_errno;
  if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == ESRCH) return Fd();
  return std::move(fd).error();
}

policy::SourceKind kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return policy::SourceKind::kDirectory;
    case S_IFSOCK:
      return policy::SourceKind::kSocket;
    case S_IFIFO:
      return policy::SourceKind::kFifo;
    case S_IFBLK:
      return policy::SourceKind::kBlockDevice;
    case S_IFCHR:
      return policy::SourceKind::kCharDevice;
    default:
      return policy::SourceKind::kFile;
  }
}

// The mount table is read once, and only by who has a path to ask about.
class MountTable {
 public:
  explicit MountTable(std::optional<uint64_t> view) : view_(view) {}

  Status describe(int fd, policy::SourceFact& fact) {
    const uint64_t id = TRY(kernel::mount_id(fd));
    if (id == view_) return ok_status();
    if (!mounts_) mounts_ = TRY(HostMounts::read());
    fact.aliases = mounts_->aliases(id, fact.resolved);
    fact.nested = mounts_->below(fact.resolved);
    return ok_status();
  }

 private:
  std::optional<uint64_t> view_;
  std::optional<HostMounts> mounts_;
};

Result<policy::SourceFact> source_fact(int fd, MountTable& mounts) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error("stat");
  policy::SourceFact fact;
  fact.resolved = TRY(path_of(fd));
  fact.kind = kind_of(info.st_mode);
  fact.filesystem = filesystem_name(fd);
  TRY(mounts.describe(fd, fact));
  return fact;
}

Status survey_source(const std::string& source, const std::string& bundle, MountTable& mounts,
                     Survey& survey) {
  if (survey.facts.sources.contains(source)) return ok_status();
  const std::string path = source.starts_with('/') ? source : join_path(bundle, source);
  Fd fd = TRY_AT(open_if_present(path), concat({"mount source ", source}));
  policy::SourceFact fact;
  fact.resolved = source;
  if (fd.valid()) {
    fact = TRY_AT(source_fact(fd.get(), mounts), concat({"mount source ", source}));
    survey.sources.emplace(source, std::move(fd));
  }
  survey.facts.sources.emplace(source, std::move(fact));
  return ok_status();
}

Status survey_root(const oci::Spec& spec, const std::string& bundle, MountTable& mounts, Survey& survey) {
  if (!spec.root) return ok_status();
  const std::string& given = spec.root->path;
  const std::string path = given.starts_with('/') ? given : join_path(bundle, given);
  Fd fd = TRY_AT(open_if_present(path), "root.path");
  if (!fd.valid()) return ok_status();
  survey.facts.root = TRY_AT(source_fact(fd.get(), mounts), "root.path");
  survey.root = std::move(fd);
  return ok_status();
}

bool is_pinned(const policy::Policy& policy, const std::string& resolved) {
  return std::any_of(policy.hooks.begin(), policy.hooks.end(), [&](const policy::HookGrant& grant) {
    if (grant.sha256.empty()) return false;
    return grant.paths.empty() ||
           std::any_of(grant.paths.begin(), grant.paths.end(),
                       [&](const std::string& path) { return glob_match(path, resolved); });
  });
}

Result<std::string> hash_file(int path_fd, const std::string& name) {
  // An O_PATH descriptor cannot be read; its magic link reopens the very same file.
  const Fd fd = TRY(open_path(concat({"/proc/self/fd/", std::to_string(path_fd)}), O_RDONLY));
  return sha256_fd(fd.get(), name);
}

Status survey_hook(const oci::Hook& hook, const policy::Policy& policy, Survey& survey) {
  if (survey.facts.hooks.contains(hook.path)) return ok_status();
  Fd fd = TRY_AT(open_if_present(hook.path), concat({"hook ", hook.path}));
  policy::HookFact fact;
  fact.resolved = hook.path;
  if (fd.valid()) {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return sys_error(concat({"stat ", hook.path}));
    fact.resolved = TRY(path_of(fd.get()));
    fact.found = S_ISREG(info.st_mode);
    fact.uid = info.st_uid;
    fact.mode = info.st_mode & 07777;
    fact.trusted_parents = has_trusted_parents(fact.resolved);
    if (fact.found && is_pinned(policy, fact.resolved)) {
      fact.sha256 = TRY_AT(hash_file(fd.get(), fact.resolved), concat({"hash hook ", hook.path}));
    }
    // Under both names: an allowed hook is hardened to its resolved path.
    if (fact.found && fact.resolved != hook.path) {
      survey.hooks.emplace(fact.resolved, Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)));
    }
    if (fact.found) survey.hooks.emplace(hook.path, std::move(fd));
  }
  survey.facts.hooks.emplace(hook.path, std::move(fact));
  return ok_status();
}

struct NamespaceKind {
  oci::NamespaceType type;
  int flag;
  const char* name;  // below /proc/PID/ns
};

constexpr NamespaceKind kNamespaceKinds[] = {
    {oci::NamespaceType::kPid, CLONE_NEWPID, "pid"},
    {oci::NamespaceType::kNetwork, CLONE_NEWNET, "net"},
    {oci::NamespaceType::kMount, CLONE_NEWNS, "mnt"},
    {oci::NamespaceType::kIpc, CLONE_NEWIPC, "ipc"},
    {oci::NamespaceType::kUts, CLONE_NEWUTS, "uts"},
    {oci::NamespaceType::kUser, CLONE_NEWUSER, "user"},
    {oci::NamespaceType::kCgroup, CLONE_NEWCGROUP, "cgroup"},
    {oci::NamespaceType::kTime, CLONE_NEWTIME, "time"},
};

// The runtime's own, or the first process's: an engine may run in namespaces of its own, and the node's are
// the host's all the same.
bool is_host_namespace(const struct stat& info, const char* name) {
  const auto is_of = [&](std::string_view process) {
    struct stat own {};
    return ::stat(concat({"/proc/", process, "/ns/", name}).c_str(), &own) == 0 &&
           own.st_ino == info.st_ino && own.st_dev == info.st_dev;
  };
  return is_of("self") || is_of("1");
}

std::vector<oci::IdMapping> mappings_of(const std::vector<kernel::IdMap>& maps) {
  std::vector<oci::IdMapping> mappings;
  mappings.reserve(maps.size());
  for (const kernel::IdMap& map : maps) mappings.push_back({map.inside, map.outside, map.size});
  return mappings;
}

// By another name: a namespace that gives its processes ids of the node's own users. What engines make
// begins above them (subuid(5): 100000; Kubernetes: 65536).
bool has_host_ids(const std::vector<oci::IdMapping>& mappings) {
  constexpr uint32_t kFirstForeign = 65536;
  return std::any_of(mappings.begin(), mappings.end(),
                     [](const oci::IdMapping& entry) { return entry.host_id < kFirstForeign; });
}

Status survey_ids(int user_namespace, policy::NamespaceFact& fact) {
  const kernel::IdMaps maps = TRY(kernel::read_id_maps(user_namespace));
  fact.uids = mappings_of(maps.uids);
  fact.gids = mappings_of(maps.gids);
  fact.is_host = has_host_ids(fact.uids) || has_host_ids(fact.gids);
  return ok_status();
}

Status survey_namespace(const oci::Namespace& entry, Survey& survey) {
  const auto* kind = std::find_if(std::begin(kNamespaceKinds), std::end(kNamespaceKinds),
                                  [&](const NamespaceKind& known) { return known.type == entry.type; });
  const std::string what = concat({kind->name, " namespace ", entry.path});
  const Fd path_fd = TRY_AT(open_if_present(entry.path), what);
  policy::NamespaceFact fact;
  if (path_fd.valid()) {
    // Looked at before it is opened for reading: opening a FIFO or a device would have effects.
    struct statfs filesystem {};
    struct stat info {};
    if (::fstatfs(path_fd.get(), &filesystem) != 0 || ::fstat(path_fd.get(), &info) != 0)
      return sys_error(what);
    if (static_cast<uint32_t>(filesystem.f_type) != NSFS_MAGIC) {
      return make_error(Code::kInvalid, concat({what, " is not a namespace"}));
    }
    Fd fd = TRY_AT(open_path(concat({"/proc/self/fd/", std::to_string(path_fd.get())}), O_RDONLY), what);
    if (::ioctl(fd.get(), NS_GET_NSTYPE) != kind->flag) {
      return make_error(Code::kInvalid, concat({what, " is a namespace of another type"}));
    }
    fact.found = true;
    fact.is_host = is_host_namespace(info, kind->name);
    if (entry.type == oci::NamespaceType::kUser && !fact.is_host) {
      TRY_AT(survey_ids(fd.get(), fact), what);
    }
    survey.namespaces.emplace(entry.path, std::move(fd));
  }
  survey.facts.namespaces.emplace(entry.path, fact);
  return ok_status();
}

// Only what applies: a profile of another workload that is out of order is that workload's affair.
void survey_seccomp_files(const oci::Spec& spec, const policy::Policy& policy, Survey& survey) {
  const auto look_at = [&](const std::vector<policy::PinnedFile>& files) {
    for (const policy::PinnedFile& pinned : files) {
      if (survey.facts.seccomp_files.contains(pinned.file)) continue;
      survey.facts.seccomp_files.emplace(pinned.file, policy::read_seccomp_file(pinned.file));
    }
  };
  look_at(policy.seccomp_filters);
  for (const policy::Exception* exception : policy::matching_exceptions(policy, survey.facts, spec)) {
    look_at(exception->seccomp_filters);
  }
}

bool has_option(const oci::Mount& mount, std::string_view option) {
  return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

}  // namespace

bool is_bind(const oci::Mount& mount) {
  if (mount.source.empty()) return false;
  if (mount.type == "bind" || has_option(mount, "bind") || has_option(mount, "rbind")) return true;
  return mount.type.empty() || mount.type == "none";
}

policy::HostFacts survey_host(const std::string& state_root) {
  policy::HostFacts facts;
#if defined(__aarch64__)
  facts.native_arch = "SCMP_ARCH_AARCH64";
#elif defined(__riscv)
  facts.native_arch = "SCMP_ARCH_RISCV64";
#endif
  struct sysinfo info {};
  if (::sysinfo(&info) == 0) facts.memory_bytes = uint64_t{info.totalram} * info.mem_unit;
  facts.engine = calling_engine(state_root);
  return facts;
}

Result<Survey> survey(const oci::Spec& spec, const policy::Policy& policy, const std::string& bundle,
                      const std::string& state_root, std::optional<uint64_t> view) {
  Survey survey;
  survey.facts = survey_host(state_root);
  survey.facts.bundle = bundle;
  MountTable mounts(view);
  TRY(survey_root(spec, bundle, mounts, survey));
  for (const oci::Mount& mount : spec.mounts) {
    if (is_bind(mount)) TRY(survey_source(mount.source, bundle, mounts, survey));
  }
  for (const auto* hooks : {&spec.hooks.prestart, &spec.hooks.create_runtime, &spec.hooks.create_container,
                            &spec.hooks.poststart, &spec.hooks.poststop}) {
    for (const oci::Hook& hook : *hooks) TRY(survey_hook(hook, policy, survey));
  }
  survey_seccomp_files(spec, policy, survey);
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (!entry.path.empty()) TRY(survey_namespace(entry, survey));
  }
  return survey;
}

}  // namespace gabion::container
