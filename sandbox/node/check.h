// `gabion check`: is this node ready for gabion? What can be tried is tried, in processes, namespaces and
// directories that are gone afterwards; nothing of the host is changed.
#pragma once

#include <string>
#include <vector>

#include "audit/log.h"
#include "container/id_range.h"
#include "node/finding.h"

namespace gabion::node {

inline constexpr const char* kDockerConfig = "/etc/docker/daemon.json";
inline constexpr const char* kContainerdConfig = "/etc/containerd/config.toml";

struct Request {
  std::string root;               // the state directory, as --root gives it
  std::string policy_file;        // "": policy::default_policy()
  std::string audit_file;         // the log
  bool no_cgroups = false;        // --cgroup-manager disabled
  std::string docker_config;      // "": kDockerConfig, which may be missing
  std::string containerd_config;  // "": kContainerdConfig, which may be missing
  // Directories whose file systems hold images and volumes; empty: the engines' own.
  std::vector<std::string> paths;
  std::string id_directory = container::kIdDirectory;
  std::string gap_directory = audit::kGapDirectory;
};

// Must be called by root of the host, in a process of one thread. In the order a person reads them: the
// kernel, file systems, cgroups, the processor, gabion's own files, engines, leftovers. A trial that
// cannot be made is a finding like another.
Findings check_node(const Request& request);

}  // namespace gabion::node
