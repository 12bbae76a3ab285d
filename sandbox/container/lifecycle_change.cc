// pause, resume and update. Each holds the lock, checks the status in runc's words, and is audited
// before it happens.
#include <utility>
#include <variant>

#include "base/json.h"
#include "base/text.h"
#include "container/lifecycle.h"
#include "container/limits_of.h"
#include "container/survey.h"
#include "oci/check.h"
#include "oci/writer.h"

namespace gabion::container {
namespace {

Status require_cgroup(const State& state, std::string_view what) {
  if (has_cgroup(state)) return ok_status();
  return make_error(Code::kUnsupported, concat({"cannot ", what, " container ", state.id,
                                                ": it was created with cgroups disabled"}));
}

}  // namespace

Status pause(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  const Fd lock = TRY(store.lock(id));
  const Live live = TRY(inspect(store, id, true));
  if (live.status != ContainerStatus::kRunning && live.status != ContainerStatus::kCreated) {
    return make_error(Code::kWrongState, "container not running");
  }
  TRY(require_cgroup(live.state, "pause"));
  const audit::Record record = audit_record(host, "container.pause", live.state);
  TRY(append_audit(host, record));
  kernel::Cgroup cgroup = kernel::Cgroup::open(live.state.cgroup);
  Status frozen = cgroup.freeze();
  // Half-frozen is neither running nor paused. The first error is the one to report.
  if (!frozen.ok()) (void)cgroup.thaw();
  return with_outcome(host, record, std::move(frozen));
}

Status resume(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  const Fd lock = TRY(store.lock(id));
  const Live live = TRY(inspect(store, id, true));
  if (live.status != ContainerStatus::kPaused) return make_error(Code::kWrongState, "container not paused");
  const audit::Record record = audit_record(host, "container.resume", live.state);
  TRY(append_audit(host, record));
  return with_outcome(host, record, kernel::Cgroup::open(live.state.cgroup).thaw());
}

Status update(const Host& host, const std::string& id, const oci::Resources& resources) {
  TRY(oci::check_resources(resources));
  const Store store = TRY(Store::open(host.root));
  const Fd lock = TRY(store.lock(id));
  const Live live = TRY(inspect(store, id, true));
  if (live.status == ContainerStatus::kStopped) return make_error(Code::kWrongState, "container not running");
  TRY(require_cgroup(live.state, "update"));

  audit::Record record = audit_record(host, "container.update", live.state);
  oci::Spec spec = TRY(config(host, id));
  const oci::Resources running = spec.linux_.resources.value_or(oci::Resources());
  const auto verdict = policy::harden_resources(resources, running, *host.policy,
                                                live.state.controls.exceptions, survey_host(host.root));
  if (const auto* refusal = std::get_if<policy::Refusal>(&verdict)) {
    return refuse(host, std::move(record), refusal->decisions);
  }
  const auto& hardened = std::get<policy::HardenedResources>(verdict);
  record.decisions = hardened.decisions();
  record.detail = json::write(oci::write_resources(hardened.resources()));
  TRY(append_audit(host, record));

  // Also under a policy that enforces nothing.
  oci::Resources change = hardened.resources();
  change.devices.clear();
  TRY(with_outcome(host, record, kernel::Cgroup::open(live.state.cgroup).apply(cgroup_limits(change))));
  spec.linux_.resources = merge_resources(running, change);
  return store.write_entry(id, "config.json", json::write(oci::write_spec(spec)));
}

}  // namespace gabion::container
