// The flags of a mount: nothing set-user-id, no devices, and never writable and executable at once.
#include <algorithm>

#include "base/path.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

using Options = std::vector<std::string>;

bool holds(const Options& options, std::string_view word) {
  return std::find(options.begin(), options.end(), word) != options.end();
}

struct Kind {
  bool bind = false;
  bool tree = false;  // an rbind of a directory: flags must reach the mounts below it too
  bool read_only = false;
};

Kind kind_of(const HostFacts& facts, const oci::Mount& mount) {
  Kind kind;
  kind.bind = is_bind_mount(mount);
  kind.read_only = is_read_only(mount);
  const auto fact = facts.sources.find(mount.source);
  const bool file = fact != facts.sources.end() && fact->second.kind == SourceKind::kFile;
  kind.tree = kind.bind && !file && holds(mount.options, "rbind");
  return kind;
}

// Sets a flag and takes its opposite away, the recursive one too ("rsuid"): an option applied to the
// whole tree would undo the one on top.
void set_flag(Options& options, const Kind& kind, const std::string& on, const std::string& off) {
  std::erase(options, off);
  std::erase(options, "r" + off);
  if (!holds(options, on)) options.push_back(on);
  if (kind.tree && !holds(options, "r" + on)) options.push_back("r" + on);
}

bool is_kernel_view(const oci::Mount& mount) {
  return mount.type == "proc" || mount.type == "sysfs" || mount.type == "mqueue" || mount.type == "cgroup" ||
         mount.type == "cgroup2";
}

void change(Rule rule, oci::Mount& mount, Options wanted, const std::string& path, std::string_view reason,
            std::string_view fix, Recorder& log) {
  if (wanted == mount.options) return;
  if (log.rewrites(rule, {path + ".options", word_list(mount.options), word_list(wanted), std::string(reason),
                          std::string(fix)})) {
    mount.options = std::move(wanted);
  }
}

void judge_flags(oci::Mount& mount, const Kind& kind, const std::string& path, Recorder& log) {
  Options wanted = mount.options;
  set_flag(wanted, kind, "nosuid", "suid");
  // The device nodes of /dev and /dev/pts are the point of those two.
  if (mount.type != "devpts" && clean_path(mount.destination) != "/dev")
    set_flag(wanted, kind, "nodev", "dev");
  if (is_kernel_view(mount) || mount.type == "devpts") set_flag(wanted, kind, "noexec", "exec");
  // A writable cgroup filesystem sets its own limits and, on v1, a release_agent that runs on the
  // host (CVE-2022-0492); a writable sysfs reaches devices.
  const bool view = mount.type == "sysfs" || mount.type == "cgroup" || mount.type == "cgroup2";
  if (view || (kind.tree && kind.read_only)) set_flag(wanted, kind, "ro", "rw");
  std::erase(wanted, "remount");
  change(Rule::kMountsFlags, mount, std::move(wanted), path,
         "no mount may carry set-user-id programs or device nodes, and views of the kernel are read-only",
         "add the options it lacks", log);
}

void judge_writable_exec(oci::Mount& mount, const Kind& kind, const std::string& path, Recorder& log) {
  if (is_read_only(mount)) return;
  Options wanted = mount.options;
  set_flag(wanted, kind, "noexec", "exec");
  change(Rule::kMountsWritableExec, mount, std::move(wanted), path,
         "what can be written must not be executed: a dropped program does not run",
         "make the mount read-only or noexec", log);
}

bool overlap(const std::vector<std::string>& left, const std::vector<std::string>& right) {
  for (const std::string& a : left) {
    for (const std::string& b : right) {
      if (path_is_within(a, b) || path_is_within(b, a)) return true;
    }
  }
  return false;
}

// In the mounts that are left; the decisions of each alone count them as the specification has them.
std::string mount_path(size_t index) { return "mounts[" + std::to_string(index) + "]"; }

void judge_propagation(oci::Mount& mount, const Kind& kind, const std::string& path, Recorder& log) {
  Options wanted = mount.options;
  for (std::string& option : wanted) {
    if (option == "shared") option = "private";
    if (option == "rshared") option = "rprivate";
    // Said of the top alone, it leaves the mounts below in the host's peer groups: what another entry of
    // "mounts" puts on one of those would be mounted on the host.
    if (kind.tree && (option == "private" || option == "slave" || option == "unbindable"))
      option.insert(0, "r");
  }
  change(Rule::kMountsPropagation, mount, std::move(wanted), path,
         "mounts made below it in the container would appear on the host", "use rprivate or rslave", log);
}

// tmpfs(5): a size or nr_blocks of 0 lifts the limit altogether.
bool lifts_limit(const std::string& option) {
  if (!option.starts_with("size=") && !option.starts_with("nr_blocks=")) return false;
  return option.find_first_not_of("0kKmMgG%", option.find('=') + 1) == std::string::npos;
}

void judge_tmpfs_size(oci::Mount& mount, const std::string& path, Recorder& log) {
  if (mount.type != "tmpfs") return;
  Options wanted = mount.options;
  std::erase_if(wanted, lifts_limit);
  change(Rule::kMountsTmpfsSize, mount, std::move(wanted), path,
         "a tmpfs without a limit can take all memory", "give it a size", log);
}

void judge_proc_subset(const Policy& policy, oci::Mount& mount, const std::string& path, Recorder& log) {
  if (!policy.proc_subset_pid || mount.type != "proc" || holds(mount.options, "subset=pid")) return;
  Options wanted = mount.options;
  wanted.emplace_back("subset=pid");
  change(Rule::kMountsProcSubset, mount, std::move(wanted), path,
         "a container needs the processes in /proc and nothing else of the kernel", "add subset=pid", log);
}

void judge_idmap(const oci::Spec& spec, oci::Mount& mount, const std::string& path, Recorder& log) {
  const bool words = holds(mount.options, "idmap") || holds(mount.options, "ridmap");
  if (!words && mount.uid_mappings.empty() && mount.gid_mappings.empty()) return;
  // In a joined user namespace the mappings that equal the namespace's own are what the engine means.
  const oci::Namespace* user = find_namespace(spec, oci::NamespaceType::kUser);
  const bool joined = user != nullptr && !user->path.empty();
  const bool matches = (mount.uid_mappings.empty() || mount.uid_mappings == spec.linux_.uid_mappings) &&
                       (mount.gid_mappings.empty() || mount.gid_mappings == spec.linux_.gid_mappings);
  if (joined && matches) return;
  if (log.rewrites(Rule::kMountsIdmap, {path, "id mappings of its own", "the container's id range",
                                        "every mount is mapped to the container's own ids",
                                        "leave idmap, ridmap and the mappings out"})) {
    std::erase(mount.options, "idmap");
    std::erase(mount.options, "ridmap");
    mount.uid_mappings.clear();
    mount.gid_mappings.clear();
  }
}

}  // namespace

void judge_other_views(const HostFacts& facts, std::vector<oci::Mount>& mounts, Recorder& log) {
  // What a bind shows, by every name, or nothing when it is no bind of the host's files.
  const auto names = [&](const oci::Mount& mount) {
    std::vector<std::string> list;
    const auto fact = facts.sources.find(mount.source);
    if (!is_bind_mount(mount) || fact == facts.sources.end() || fact->second.resolved.empty()) return list;
    list = fact->second.aliases;
    list.push_back(fact->second.resolved);
    return list;
  };
  std::vector<std::string> root = facts.root.aliases;
  if (!facts.root.resolved.empty()) root.push_back(facts.root.resolved);
  std::vector<std::string> writable;
  for (size_t i = 0; i < mounts.size(); ++i) {
    if (is_read_only(mounts[i])) continue;
    const std::vector<std::string> shown = names(mounts[i]);
    if (overlap(shown, root)) {
      Options wanted = mounts[i].options;
      set_flag(wanted, kind_of(facts, mounts[i]), "ro", "rw");
      change(Rule::kMountsWritableExec, mounts[i], std::move(wanted), mount_path(i),
             "it shows the root filesystem, whose programs run: what can be written must not be executed",
             "bind a directory outside the root filesystem", log);
    }
    if (!is_read_only(mounts[i])) writable.insert(writable.end(), shown.begin(), shown.end());
  }
  for (size_t i = 0; i < mounts.size(); ++i) {
    if (!is_read_only(mounts[i]) || !overlap(names(mounts[i]), writable)) continue;
    Options wanted = mounts[i].options;
    set_flag(wanted, kind_of(facts, mounts[i]), "noexec", "exec");
    change(Rule::kMountsWritableExec, mounts[i], std::move(wanted), mount_path(i),
           "another mount of the container can write the same files: a dropped program does not run",
           "make both mounts read-only, or this one noexec", log);
  }
}

bool is_read_only(const oci::Mount& mount) {
  // "ro" beside "rw" or "rrw": which one wins depends on the order they are applied in. Writable, then.
  const Options& options = mount.options;
  return (holds(options, "ro") || holds(options, "rro")) && !holds(options, "rw") && !holds(options, "rrw");
}

void judge_mount_options(const Policy& policy, const HostFacts& facts, const oci::Spec& spec,
                         oci::Mount& mount, const std::string& path, Recorder& log) {
  const Kind kind = kind_of(facts, mount);
  judge_flags(mount, kind, path, log);
  judge_writable_exec(mount, kind, path, log);
  judge_propagation(mount, kind, path, log);
  judge_tmpfs_size(mount, path, log);
  judge_proc_subset(policy, mount, path, log);
  judge_idmap(spec, mount, path, log);
}

}  // namespace gabion::policy
