// `gabion features`: the OCI Features structure (features-linux.md) of this build.
#pragma once

#include "base/json.h"
#include "oci/spec.h"

namespace gabion::oci {

json::Value features();
// What `gabion spec` prints: runc's default config (every runc test starts from it).
Spec example_spec();

}  // namespace gabion::oci
