// Which host paths may be bound: a table over the path behind every link, and the flags they get.
#include <gtest/gtest.h>

#include "support.h"

namespace gabion::policy::test {
namespace {

struct Source {
  const char* resolved;
  const char* rule;  // "" allowed
  SourceKind kind = SourceKind::kDirectory;
  const char* filesystem = "ext4";
  bool read_only = false;
};

constexpr SourceKind kFile = SourceKind::kFile;
constexpr SourceKind kDir = SourceKind::kDirectory;

const Source kSources[] = {
    // What engines bind of their own.
    {"/var/lib/docker/volumes/db/_data", ""},
    {"/var/lib/docker/volumes/db/_data/sub/dir", ""},
    {"/var/lib/docker/containers/0123/resolv.conf", "", kFile},
    {"/var/lib/docker/containers/0123/mounts/shm", "", kDir, "tmpfs"},
    {"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/0123/shm", "", kDir, "tmpfs"},
    {"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/0123/hosts", "", kFile},
    {"/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~configmap/conf", ""},
    {"/var/lib/kubelet/pods/1-2/etc-hosts", "", kFile},
    {"/var/lib/kubelet/pods/1-2/containers/web/a1b2", "", kFile},
    {"/var/lib/containers/storage/overlay-containers/01/userdata/shm", "", kDir, "tmpfs"},
    {"/run/containers/storage/overlay-containers/01/userdata/hosts", "", kFile},
    {"/var/lib/containers/storage/volumes/v/_data", ""},
    // The rest of the same directories.
    {"/var/lib/docker", "mounts.sensitive_path"},
    {"/var/lib/docker/volumes", "mounts.sensitive_path"},
    {"/var/lib/docker/volumes/db", "mounts.sensitive_path"},
    {"/var/lib/docker/containers/0123", "mounts.sensitive_path"},
    {"/var/lib/docker/containers/0123/config.v2.json", "mounts.sensitive_path", kFile},
    {"/var/lib/docker/x/volumes/db/_data", "mounts.sensitive_path"},
    {"/var/lib/kubelet/pods/1-2", "mounts.sensitive_path"},
    {"/var/lib/kubelet/pki", "mounts.sensitive_path"},
    {"/run/containerd/containerd.sock", "mounts.engine_socket", SourceKind::kSocket},
    {"/run/containerd", "mounts.engine_socket"},
    // A socket or a device in an engine's own directory is still one.
    {"/var/lib/docker/volumes/db/_data/s", "mounts.special_file", SourceKind::kSocket},
    {"/var/lib/docker/volumes/db/_data/d", "mounts.special_file", SourceKind::kCharDevice},
    {"/var/lib/docker/volumes/db/_data/p", "mounts.host_filesystem", kDir, "proc"},
    // Control sockets, by every way in.
    {"/run/docker.sock", "mounts.engine_socket", SourceKind::kSocket},
    {"/var/run/docker.sock", "mounts.engine_socket", SourceKind::kMissing},
    {"/var/run/crio/crio.sock", "mounts.engine_socket", SourceKind::kMissing},
    {"/run/podman/podman.sock", "mounts.engine_socket", SourceKind::kSocket},
    {"/run/user/1000/docker.sock", "mounts.engine_socket", SourceKind::kSocket},
    {"/run/user/1000/podman/podman.sock", "mounts.engine_socket", SourceKind::kSocket},
    {"/run/gabion", "mounts.engine_socket"},
    {"/run", "mounts.engine_socket"},
    {"/run/user/1000", "mounts.sensitive_path"},
    // The node.
    {"/", "mounts.sensitive_path"},
    {"/etc/shadow", "mounts.sensitive_path", kFile},
    {"/etc/gabion", "mounts.sensitive_path"},
    {"/boot", "mounts.sensitive_path"},
    {"/root/.bashrc", "mounts.sensitive_path", kFile},
    {"/proc/1/root", "mounts.host_filesystem", kDir, "proc"},
    {"/sys", "mounts.host_filesystem", kDir, "sysfs"},
    {"/sys/fs/cgroup", "mounts.host_filesystem", kDir, "cgroup2"},
    {"/dev", "mounts.host_filesystem", kDir, "devtmpfs"},
    {"/dev/shm/x", "mounts.sensitive_path", kDir, "tmpfs"},
    {"/usr/lib/x86_64-linux-gnu", "mounts.sensitive_path"},
    {"/var", "mounts.engine_socket"},
    {"/var/log/gabion", "mounts.sensitive_path"},
    {"/home/alice/.ssh/id_ed25519", "mounts.sensitive_path", kFile},
    {"/home/alice/.config/gcloud", "mounts.sensitive_path"},
    // Docker's init, read-only and exactly that file.
    {"/usr/bin/docker-init", "", kFile, "ext4", true},
    {"/usr/bin/docker-init", "mounts.sensitive_path", kFile, "ext4", false},
    {"/usr/bin/dockerd", "mounts.sensitive_path", kFile, "ext4", true},
    // Ordinary data.
    {"/srv/www", ""},
    {"/srv", ""},
    {"/data/db", ""},
    {"/var/www/html", ""},
    {"/home/alice/project", ""},
    {"/home/alice/.cache/x", ""},
    {"/home/alice", "mounts.host_path"},
    {"/home", "mounts.host_path"},
    {"/tmp/build", ""},
    {"/tmp", "mounts.host_path"},
    {"/srvx", "mounts.host_path"},
    {"/anything/else", "mounts.host_path"},
    {"relative/path", "mounts.host_path", SourceKind::kMissing},
};

TEST(MountSources, AreJudgedByWhatTheyResolveTo) {
  const oci::Spec base = engine_spec("docker-20.10-default");
  for (const Source& source : kSources) {
    SCOPED_TRACE(source.resolved);
    oci::Spec spec = base;
    spec.mounts.push_back(bind("/anywhere", "/inside", {source.read_only ? "ro" : "rw", "rbind"}));
    HostFacts facts = plausible_facts(spec);
    add_source(facts, "/anywhere", source.resolved, source.kind, source.filesystem);
    if (std::string_view(source.rule).empty()) {
      EXPECT_EQ(must_pass(spec, tier("restricted"), facts).spec().mounts.size(), base.mounts.size() + 1);
    } else {
      const Refusal refusal = must_refuse(spec, tier("restricted"), facts);
      EXPECT_NE(find(refusal.decisions, source.rule, Outcome::kRefused), nullptr) << print(refusal.decisions);
    }
  }
}

TEST(MountSources, OneThatWasNotExaminedIsRefusedInEveryMode) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  const HostFacts facts = plausible_facts(spec);
  spec.mounts.push_back(bind("/srv/new", "/inside"));
  Policy policy = tier("restricted");
  for (const Mode mode : {Mode::kRewrite, Mode::kRefuse, Mode::kWarn}) {
    policy.set_mode(Rule::kMountsHostPath, mode);
    EXPECT_NE(find(must_refuse(spec, policy, facts).decisions, "mounts.host_path", Outcome::kRefused),
              nullptr);
  }
}

TEST(MountSources, APolicyMayNameADirectoryOfTheNodeButNeverASocket) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.mounts.push_back(bind("/etc/ssl/certs", "/certs", {"bind", "ro"}));
  HostFacts facts = plausible_facts(spec);
  const std::string recorded = R"("/var/lib/engine")";
  // A wide entry does not reach into /etc; one that names the directory does.
  (void)must_refuse(spec, restricted_with(R"("allowedHostPaths": ["/", )" + recorded + "]"), facts);
  (void)must_pass(spec, restricted_with(R"("allowedHostPaths": ["/etc/ssl/certs", )" + recorded + "]"),
                  facts);

  spec.mounts.back() = bind("/run/docker.sock", "/run/docker.sock", {"bind"});
  add_source(facts, "/run/docker.sock", "/run/docker.sock", SourceKind::kSocket);
  (void)must_refuse(spec, restricted_with(R"("allowedHostPaths": ["/run/docker.sock", )" + recorded + "]"),
                    facts);
}

TEST(MountSources, AnEngineElsewhereIsAddedToThePolicy) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.mounts.push_back(bind("/pool/docker/volumes/v/_data", "/data"));
  const HostFacts facts = plausible_facts(spec);
  (void)must_refuse(spec, tier("restricted"), facts);
  (void)must_pass(
      spec, restricted_with(R"("engineStores": ["...", "/pool/*"], "allowedHostPaths": ["/var/lib/engine"])"),
      facts);
}

std::vector<std::string> options_after(oci::Mount mount, SourceKind kind = SourceKind::kDirectory) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.mounts.push_back(std::move(mount));
  HostFacts facts = plausible_facts(spec);
  add_source(facts, "/srv/x", "/srv/x", kind);
  return must_pass(spec, tier("restricted"), facts).spec().mounts.back().options;
}

TEST(MountOptions, ReachTheMountsBelowATree) {
  const std::vector<std::string> tree = options_after(bind("/srv/x", "/x", {"rbind", "rsuid", "rexec"}));
  for (const char* flag : {"nosuid", "rnosuid", "nodev", "rnodev", "noexec", "rnoexec"})
    EXPECT_TRUE(contains(tree, flag)) << flag;
  EXPECT_FALSE(contains(tree, "rsuid"));
  EXPECT_FALSE(contains(tree, "rexec"));
  const std::vector<std::string> read_only = options_after(bind("/srv/x", "/x", {"rbind", "ro"}));
  EXPECT_TRUE(contains(read_only, "rro"));
  EXPECT_FALSE(contains(read_only, "noexec")) << "what cannot be written may be executed";
  EXPECT_FALSE(contains(options_after(bind("/srv/x", "/x", {"rbind"}), SourceKind::kFile), "rnosuid"));
}

TEST(MountOptions, AMountThatMayBeEitherCountsAsWritable) {
  for (const char* off : {"rw", "rrw"}) {
    EXPECT_TRUE(contains(options_after(bind("/srv/x", "/x", {"bind", off, "ro"})), "noexec")) << off;
  }
}

TEST(MountOptions, LeaveDevicesAndTerminalsUsable) {
  const HardenedSpec hardened = must_pass(engine_spec("docker-20.10-default"), tier("restricted"),
                                          plausible_facts(engine_spec("docker-20.10-default")));
  for (const oci::Mount& mount : hardened.spec().mounts) {
    const bool devices = mount.destination == "/dev" || mount.destination == "/dev/pts";
    EXPECT_EQ(contains(mount.options, "nodev"), !devices) << mount.destination;
    EXPECT_TRUE(contains(mount.options, "nosuid")) << mount.destination;
    EXPECT_TRUE(contains(mount.options, "noexec")) << mount.destination;
  }
}

TEST(Volatile, GivesWayToTheSpecsOwnMountsAndToAReadOnlyRoot) {
  oci::Spec spec = engine_spec("ctr-default");  // has a tmpfs at /run
  const HostFacts facts = plausible_facts(spec);
  const std::vector<VolatilePath> expected = {{"/tmp"}, {"/var"}, {"/root"}, {"/home"}};
  EXPECT_EQ(must_pass(spec, tier("restricted"), facts).controls().volatile_paths, expected);
  spec.root->readonly = true;
  EXPECT_TRUE(must_pass(spec, tier("restricted"), facts).controls().volatile_paths.empty());
}

}  // namespace
}  // namespace gabion::policy::test
