// The root filesystem: not the host's, read-only, and its mounts invisible outside.
#include <algorithm>
#include <array>

#include "base/path.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

// Directories that hold images, bundles or volumes of many: none of them is an image itself.
constexpr std::array<std::string_view, 14> kHostRoots = {"/",    "/data",    "/home",      "/media",  "/mnt",
                                                         "/opt", "/root",    "/run",       "/srv",    "/tmp",
                                                         "/var", "/var/lib", "/var/cache", "/var/tmp"};

// The node itself: nothing in here is an image.
constexpr std::array<std::string_view, 17> kHostTrees = {
    "/bin",  "/boot", "/dev", "/efi", "/etc",         "/lib",     "/lib32",    "/lib64",    "/libx32",
    "/proc", "/sbin", "/sys", "/usr", "/var/backups", "/var/log", "/var/mail", "/var/spool"};

bool is_of_the_host(std::string_view path) {
  return std::find(kHostRoots.begin(), kHostRoots.end(), path) != kHostRoots.end() ||
         std::any_of(kHostTrees.begin(), kHostTrees.end(),
                     [&](std::string_view tree) { return path_is_within(path, tree); });
}

void judge_path(const HostFacts& facts, const oci::Root& root, Recorder& log) {
  // Behind every link, and by every other name a bind mount gives it.
  std::vector<std::string> paths = facts.root.aliases;
  paths.push_back(facts.root.resolved.empty()
                      ? (root.path.starts_with('/') ? root.path : join_path(facts.bundle, root.path))
                      : facts.root.resolved);
  for (const std::string& given : paths) {
    const std::string path = clean_path(given);
    if (!is_of_the_host(path)) continue;
    log.objects(Rule::kRootfsPath, {"root.path", root.path, "", path + " is the host's own file tree",
                                    "use a directory that holds an image's files"});
    return;
  }
}

void judge_propagation(oci::Linux& section, Recorder& log) {
  const std::string asked = section.rootfs_propagation;
  if (asked != "shared" && asked != "rshared") return;
  const std::string private_form = asked == "shared" ? "private" : "rprivate";
  if (log.rewrites(Rule::kRootfsPropagation, {"linux.rootfsPropagation", asked, private_form,
                                              "mounts made in the container would appear on the host",
                                              "use \"" + private_form + "\""})) {
    section.rootfs_propagation = private_form;
  }
}

bool covers(const oci::Spec& spec, std::string_view path) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const oci::Mount& mount) {
    const std::string at = clean_path(mount.destination);
    return at != "/" && path_is_within(path, at);
  });
}

}  // namespace

void judge_rootfs(const HostFacts& facts, Draft& draft, Recorder& log) {
  oci::Spec& spec = draft.spec;
  judge_propagation(spec.linux_, log);
  if (!spec.root) return;
  judge_path(facts, *spec.root, log);
  if (spec.root->readonly) return;
  if (log.rewrites(Rule::kRootfsReadonly,
                   {"root.readonly", "false", "true",
                    "what runs is what the image holds: nothing can be dropped into the root and executed",
                    "start it read-only (docker run --read-only), with volumes for its data"})) {
    spec.root->readonly = true;
  }
}

void set_volatile_paths(const Policy& policy, const oci::Spec& asked, Draft& draft) {
  // Only where the policy took a writable root away. Who asked for a read-only one meant it, and a
  // writable overlay would be more than was asked for.
  if (!draft.spec.root || !draft.spec.root->readonly || !asked.root || asked.root->readonly) return;
  for (const std::string& path : policy.volatile_paths) {
    if (!covers(draft.spec, path)) draft.controls.volatile_paths.push_back({path});
  }
  if (!draft.controls.volatile_paths.empty()) draft.controls.volatile_bytes = policy.volatile_size;
}

}  // namespace gabion::policy
