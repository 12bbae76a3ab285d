// config.json, as an engine or an attacker writes it: read, checked, hardened by every tier. What hardening
// lets through is valid, and hardening it again changes nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "oci/check.h"
#include "oci/reader.h"
#include "oci/writer.h"
#include "policy/harden.h"
#include "policy/reader.h"

using namespace gabion;

namespace {

const policy::HostFacts& facts() {
  static const policy::HostFacts known = [] {
    policy::HostFacts made;
    made.bundle = "/run/bundle";
    made.root.resolved = "/run/bundle/rootfs";
    made.root.kind = policy::SourceKind::kDirectory;
    made.memory_bytes = uint64_t{8} << 30;
    return made;
  }();
  return known;
}

void check(const oci::Spec& spec, const policy::Policy& tier) {
  const auto verdict = policy::harden(spec, tier, facts());
  const auto* hardened = std::get_if<policy::HardenedSpec>(&verdict);
  if (hardened == nullptr) return;
  const auto again = policy::harden(hardened->spec(), tier, facts());
  const auto* twice = std::get_if<policy::HardenedSpec>(&again);
  if (twice == nullptr) std::abort();
  if (json::write(oci::write_spec(twice->spec())) != json::write(oci::write_spec(hardened->spec())))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const policy::Policy restricted = policy::builtin_policy("restricted").value();
  static const policy::Policy maximum = policy::builtin_policy("maximum").value();
  const auto spec =
      oci::parse_spec(std::string_view(reinterpret_cast<const char*>(data), size), "config.json");
  if (!spec.ok() || !oci::check_spec(*spec).ok()) return 0;
  check(*spec, restricted);
  check(*spec, maximum);
  return 0;
}
