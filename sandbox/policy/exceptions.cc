#include "policy/exceptions.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/text.h"

namespace gabion::policy {
namespace {

std::string_view annotation(const oci::Spec& spec, std::string_view key) {
  for (const auto& entry : spec.annotations) {
    if (entry.first == key) return entry.second;
  }
  return {};
}

bool matches(const std::string& pattern, std::string_view value) {
  return pattern.empty() || (!value.empty() && glob_match(pattern, value));
}

bool asks_kubernetes(const ExceptionMatch& match) {
  return !match.kubernetes_namespace.empty() || !match.kubernetes_pod.empty() ||
         !match.kubernetes_container.empty() || !match.kubernetes_image.empty();
}

bool matches_kubernetes(const ExceptionMatch& match, const HostFacts& facts, const oci::Spec& spec) {
  if (!asks_kubernetes(match)) return true;
  return facts.engine == "cri" &&
         matches(match.kubernetes_namespace, annotation(spec, "io.kubernetes.cri.sandbox-namespace")) &&
         matches(match.kubernetes_pod, annotation(spec, "io.kubernetes.cri.sandbox-name")) &&
         matches(match.kubernetes_container, annotation(spec, "io.kubernetes.cri.container-name")) &&
         matches(match.kubernetes_image, annotation(spec, "io.kubernetes.cri.image-name"));
}

}  // namespace

std::vector<const Exception*> matching_exceptions(const Policy& policy, const HostFacts& facts,
                                                  const oci::Spec& spec) {
  std::vector<const Exception*> matching;
  for (const Exception& exception : policy.exceptions) {
    const ExceptionMatch& match = exception.match;
    if (match == ExceptionMatch{}) continue;
    if (matches(match.engine, facts.engine) && matches(match.bundle, facts.bundle) &&
        matches_kubernetes(match, facts, spec)) {
      matching.push_back(&exception);
    }
  }
  return matching;
}

std::vector<const Exception*> same_exceptions(const Policy& policy,
                                              const std::vector<MatchedException>& matched) {
  std::vector<const Exception*> found;
  for (const Exception& exception : policy.exceptions) {
    const MatchedException its{exception.name, exception.sha256};
    if (std::find(matched.begin(), matched.end(), its) != matched.end()) found.push_back(&exception);
  }
  return found;
}

Policy with_exceptions(const Policy& policy, const std::vector<const Exception*>& matching) {
  Policy effective = policy;
  for (const Exception* exception : matching) {
    for (const auto& [rule, mode] : exception->rules) effective.set_mode(rule, mode);
    effective.host_network = effective.host_network || exception->host_network;
    const auto append = [](auto& list, const auto& more) {
      list.insert(list.end(), more.begin(), more.end());
    };
    append(effective.capabilities, exception->capabilities);
    append(effective.allowed_host_paths, exception->allowed_host_paths);
    append(effective.devices, exception->devices);
    append(effective.seccomp_filters, exception->seccomp_filters);
  }
  return effective;
}

}  // namespace gabion::policy
