// Looks at the host once. Every host path a spec names is opened exactly once, here; the facts
// harden() judges come from these descriptors, and the launch mounts, joins and runs these same
// descriptors: a path swapped after the judgement changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "oci/spec.h"
#include "policy/facts.h"
#include "policy/policy.h"

namespace gabion::container {

struct Survey {
  policy::HostFacts facts;
  // O_PATH; by mounts[].source as the spec has it. What is missing on the host has no entry.
  std::map<std::string, Fd> sources;
  // O_PATH; root.path. Invalid when there is no such directory.
  Fd root;
  // O_PATH; by hook path. startContainer hooks are absent: their paths are the container's.
  std::map<std::string, Fd> hooks;
  // O_RDONLY on an nsfs file of the type asked for; by linux.namespaces[].path.
  std::map<std::string, Fd> namespaces;
};

// True for a mount whose source is a path of the host: type "bind", option "bind" or "rbind", or a
// source without a type.
bool is_bind(const oci::Mount& mount);

// `bundle` is absolute: relative sources start there. `state_root` is --root, which tells the
// engines that share one shim apart. `view`: RootView::mount. A file system made for this container alone,
// where nobody else sees it: what lies on it has no other path, and no mount below.
// Opens nothing for writing and changes nothing.
// Code::kInvalid: a namespace path that is no namespace, or of another type than the entry's.
Result<Survey> survey(const oci::Spec& spec, const policy::Policy& policy, const std::string& bundle,
                      const std::string& state_root, std::optional<uint64_t> view = {});

// For exec and update, which name no host path: memory, architecture and engine only.
policy::HostFacts survey_host(const std::string& state_root);

}  // namespace gabion::container
