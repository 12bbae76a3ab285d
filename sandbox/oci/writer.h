// Spec → JSON, in the order the specification lists the fields; read_spec(write_spec(s)) == s.
#pragma once

#include "base/json.h"
#include "oci/spec.h"

namespace gabion::oci {

json::Value write_spec(const Spec& spec);
json::Value write_process(const Process& process);
json::Value write_resources(const Resources& resources);

}  // namespace gabion::oci
