#include "oci/reader.h"

#include <algorithm>

#include "base/path.h"
#include "oci/field_reader.h"
#include "oci/schema_linux.h"
#include "oci/schema_process.h"
#include "oci/schema_resources.h"

namespace gabion::oci {

namespace {

void upper_case(std::vector<std::string>& names) {
  for (std::string& name : names) {
    for (char& letter : name) {
      if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    }
  }
}

// One spelling of each capability: a rule that looks for CAP_SYS_ADMIN must not miss cap_sys_admin.
void normalise(Process& process) {
  if (!process.capabilities) return;
  Capabilities& sets = *process.capabilities;
  for (auto* set : {&sets.bounding, &sets.effective, &sets.inheritable, &sets.permitted, &sets.ambient}) {
    upper_case(*set);
  }
}

// Old engines write "every number" as -1, later ones leave the field out; runc takes both.
void normalise(Resources& resources) {
  for (DeviceRule& rule : resources.devices) {
    if (rule.major == -1) rule.major.reset();
    if (rule.minor == -1) rule.minor.reset();
  }
}

void normalise(Spec& spec) {
  if (spec.process) normalise(*spec.process);
  if (spec.linux_.resources) normalise(*spec.linux_.resources);
  for (Mount& mount : spec.mounts) {
    // The specification wants absolute destinations but runc 1.x takes a relative one as relative to
    // "/", and engines rely on it. An empty one is left for oci/check to refuse.
    if (!mount.destination.empty() && mount.destination.front() != '/') {
      mount.destination = clean_path("/" + mount.destination);
    }
  }
}

template <typename T>
Result<T> read_normalised(const json::Value& document) {
  DocumentReader reader;
  auto result = reader.read_document<T>(document);
  if (result.ok()) normalise(*result);
  return result;
}

}  // namespace

Result<Spec> read_spec(const json::Value& document) { return read_normalised<Spec>(document); }

Result<Process> read_process(const json::Value& document) { return read_normalised<Process>(document); }

Result<Resources> read_resources(const json::Value& document) { return read_normalised<Resources>(document); }

Result<Spec> parse_spec(std::string_view text, std::string_view name) {
  json::Value document = TRY(json::parse(text, name));
  return TRY_AT(read_spec(document), name);
}

}  // namespace gabion::oci
