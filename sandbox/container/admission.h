// A request for a container, up to where it may be one: what the bundle asks for, what the host has of it,
// and what policy says. Nothing has been made yet, but a line in the audit log. Private to container/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "container/container.h"
#include "container/survey.h"
#include "oci/spec.h"
#include "policy/harden.h"

namespace gabion::container {

struct BundleConfig {
  std::string bundle;  // absolute
  std::string sha256;
  oci::Spec spec;
};

// Code::kInvalid: config.json is no specification, or not a consistent one.
Result<BundleConfig> read_bundle(const CreateOptions& options);

// The request after judgement: what may run, and the descriptors it was judged by.
struct Judged {
  BundleConfig config;
  Survey seen;
  policy::HardenedSpec hardened;
};

// Judges, and says so in the audit log, before anything happens. `view`: survey()'s.
// Code::kRefused: policy says no.
Result<Judged> judge(const Host& host, const CreateOptions& options, BundleConfig config,
                     std::optional<uint64_t> view);

}  // namespace gabion::container
