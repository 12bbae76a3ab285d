// What is mounted, and where.
#include "misconfigurations_parts.h"

namespace gabion::policy::test {

const std::vector<Row> kMountRows = {
    {"root_is_the_host", Rule::kRootfsPath, [](Spec& spec, HostFacts&) { spec.root->path = "/usr/.."; },
     [](const Spec& spec) { return spec.root->path == "/usr/.."; }, false},
    {"writable_root", Rule::kRootfsReadonly, [](Spec& spec, HostFacts&) { spec.root->readonly = false; },
     [](const Spec& spec) { return !spec.root->readonly; }},
    {"shared_propagation", Rule::kRootfsPropagation,
     [](Spec& spec, HostFacts&) { spec.linux_.rootfs_propagation = "rshared"; },
     [](const Spec& spec) { return spec.linux_.rootfs_propagation == "rshared"; }},
    {"docker_socket", Rule::kMountsEngineSocket,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/var/run/docker.sock", SourceKind::kSocket); },
     [](const Spec& spec) { return mounts_from(spec, "/var/run/docker.sock"); }},
    {"directory_of_sockets", Rule::kMountsEngineSocket,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/run"); },
     [](const Spec& spec) { return mounts_from(spec, "/run"); }},
    {"host_root", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/"); },
     [](const Spec& spec) { return mounts_from(spec, "/"); }},
    {"host_etc", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/etc"); },
     [](const Spec& spec) { return mounts_from(spec, "/etc"); }},
    {"link_to_etc", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) {
       add_bind(spec, facts, "/srv/innocent");
       add_source(facts, "/srv/innocent", "/etc");
     },
     [](const Spec& spec) { return mounts_from(spec, "/srv/innocent"); }},
    {"ssh_keys", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/home/alice/.ssh"); },
     [](const Spec& spec) { return mounts_from(spec, "/home/alice/.ssh"); }},
    {"engine_data", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/var/lib/docker/overlay2"); },
     [](const Spec& spec) { return mounts_from(spec, "/var/lib/docker/overlay2"); }},
    {"unlisted_path", Rule::kMountsHostPath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/nfs/all"); },
     [](const Spec& spec) { return mounts_from(spec, "/nfs/all"); }},
    {"some_socket", Rule::kMountsSpecialFile,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/srv/app.sock", SourceKind::kSocket); },
     [](const Spec& spec) { return mounts_from(spec, "/srv/app.sock"); }},
    {"disk", Rule::kMountsSpecialFile,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/srv/disk", SourceKind::kBlockDevice); },
     [](const Spec& spec) { return mounts_from(spec, "/srv/disk"); }},
    {"host_proc_elsewhere", Rule::kMountsHostFilesystem,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/mnt/p", SourceKind::kDirectory, "proc"); },
     [](const Spec& spec) { return mounts_from(spec, "/mnt/p"); }},
    {"filesystem_type", Rule::kMountsType, [](Spec& spec, HostFacts&) { add_plain(spec, "debugfs", "/x"); },
     [](const Spec& spec) { return mounts_at(spec, "/x"); }},
    {"tmpfs_over_proc", Rule::kMountsDestination,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/proc/sys/net"); },
     [](const Spec& spec) { return mounts_at(spec, "/proc/sys/net"); }},
    {"tmpfs_over_sys", Rule::kMountsDestination,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/x/../sys"); },
     [](const Spec& spec) { return mounts_at(spec, "/x/../sys"); }},
    {"bind_over_dev_null", Rule::kMountsDestination,
     [](Spec& spec, HostFacts& facts) {
       spec.mounts.push_back(bind("/srv/null", "/dev/null"));
       add_source(facts, "/srv/null", "/srv/null", SourceKind::kFile);
     },
     [](const Spec& spec) { return mounts_at(spec, "/dev/null"); }},
    {"suid_mount", Rule::kMountsFlags,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"suid", "dev", "noexec"});
     },
     [](const Spec& spec) { return has_option(spec, "/x", "suid") || !has_option(spec, "/x", "nodev"); }},
    {"writable_cgroups", Rule::kMountsFlags,
     [](Spec& spec, HostFacts&) {
       for (oci::Mount& mount : spec.mounts) {
         if (mount.type == "cgroup") mount.options = {"nosuid", "noexec", "nodev", "rw"};
       }
     },
     [](const Spec& spec) { return !has_option(spec, "/sys/fs/cgroup", "ro"); }},
    {"writable_exec", Rule::kMountsWritableExec,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"nosuid", "nodev", "exec"});
     },
     [](const Spec& spec) { return !has_option(spec, "/x", "noexec"); }},
    {"mount_propagation", Rule::kMountsPropagation,
     [](Spec& spec, HostFacts& facts) {
       spec.mounts.push_back(bind("/srv/x", "/x", {"rbind", "rshared"}));
       add_source(facts, "/srv/x", "/srv/x");
     },
     [](const Spec& spec) { return has_option(spec, "/x", "rshared"); }},
    {"mount_idmap", Rule::kMountsIdmap,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"idmap"});
       spec.mounts.back().uid_mappings = {{0, 0, 1}};
     },
     [](const Spec& spec) { return has_option(spec, "/x", "idmap"); }},
    {"unlimited_tmpfs", Rule::kMountsTmpfsSize,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/x", {"size=0"}); },
     [](const Spec& spec) { return has_option(spec, "/x", "size=0"); }},
    {"proc_of_everything", Rule::kMountsProcSubset, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return !has_option(spec, "/proc", "subset=pid"); }, true,
     [](Policy& policy) { policy.proc_subset_pid = true; }},
};

}  // namespace gabion::policy::test
