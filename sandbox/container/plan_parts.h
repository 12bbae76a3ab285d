// What the plan's files share. Private to container/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "container/plan.h"

namespace gabion::container {

std::vector<kernel::IdMap> id_maps(const std::vector<oci::IdMapping>& mappings);
std::string root_path(const oci::Spec& spec, const std::string& bundle);
uint64_t propagation_flag(std::string_view name);  // "rslave" → MS_SLAVE; "" → MS_PRIVATE

// Code::kInvalid: what is on disk is not for the container's user namespace (RootIds).
Status check_root_ids(const NamespacePlan& namespaces, const PlanInputs& inputs, const oci::Linux& asked);
Result<RootPlan> plan_root(const policy::HardenedSpec& hardened, const Survey& survey,
                           const PlanInputs& inputs);
// make_in_root() on the engine's root, which is mounted for writing should that be needed.
Result<Fd> make_in_engine_root(RootPlan& root, const std::string& path, NodeKind kind, Links links);

// Fills plan.mounts from the spec's mounts and the policy's volatile paths, and makes the mount
// points that belong to the root filesystem itself.
Status plan_mounts(Plan& plan, const policy::HardenedSpec& hardened, const Survey& survey);

// Makes process.cwd where the root filesystem lacks it, as runc does: engines leave it to the runtime.
// What cannot be made shows when it is entered.
void make_working_directory(Plan& plan);

// Fills plan.devices, plan.links and plan.null_device.
Status plan_devices(Plan& plan, const oci::Spec& spec);

// Fills plan.sysctls. Code::kInvalid: a value that would not be the container's own.
Status plan_sysctls(Plan& plan, const policy::HardenedSpec& hardened, const Survey& survey);

}  // namespace gabion::container
