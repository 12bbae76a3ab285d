// Golden decisions: the specification a real engine sent + a tier → every decision and control.
// GABION_UPDATE_GOLDEN=1 writes the files anew; read the difference before committing it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "support.h"

namespace gabion::policy::test {
namespace {

struct Case {
  std::string spec;
  std::string tier;
};

std::string print_controls(const Controls& controls) {
  std::string text = "controls:";
  const std::pair<const char*, bool> flags[] = {
      {"own_user_namespace", controls.own_user_namespace},
      {"seal_namespaces", controls.seal_namespaces},
      {"forbid_nested_namespaces", controls.forbid_nested_namespaces},
      {"no_memfd_exec", controls.no_memfd_exec},
      {"core_dumps_off", controls.core_dumps_off},
      {"unprivileged_low_ports", controls.unprivileged_low_ports},
      {"unprivileged_ping", controls.unprivileged_ping},
      {"private_stdio", controls.private_stdio},
      {"landlock", controls.landlock},
      {"memory_deny_write_execute", controls.memory_deny_write_execute}};
  for (const auto& [name, set] : flags) {
    if (set) text += std::string(" ") + name;
  }
  text += "\nseccomp profile: " + controls.seccomp_profile;
  for (const std::string_view kind : kViolationKinds) {
    const Answer answer = controls.violations.answer(kind);
    if (answer == Answer::kOff) continue;
    text += "\nviolation of " + std::string(kind) + ": " + std::string(kAnswers[static_cast<size_t>(answer)]);
  }
  text += "\nvolatile:";
  for (const VolatilePath& path : controls.volatile_paths) text += " " + path.path;
  return text + "\nvolatile bytes: " + std::to_string(controls.volatile_bytes) +
         "\ntmpfs bytes: " + std::to_string(controls.tmpfs_bytes) + "\n\n";
}

std::string outcome_of(const Case& item) {
  const oci::Spec spec = engine_spec(item.spec);
  const auto verdict = harden(spec, tier(item.tier), plausible_facts(spec));
  if (const auto* refusal = std::get_if<Refusal>(&verdict)) return "REFUSED\n\n" + print(refusal->decisions);
  const auto& hardened = std::get<HardenedSpec>(verdict);
  return print_controls(hardened.controls()) + print(hardened.decisions());
}

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, DecisionsAreAsRecorded) {
  const Case& item = GetParam();
  const std::string path =
      std::string(GABION_SOURCE_DIR) + "/tests/unit/policy/golden/" + item.spec + "." + item.tier + ".txt";
  const std::string actual = outcome_of(item);
  if (std::getenv("GABION_UPDATE_GOLDEN") != nullptr) {
    const Status written = write_file_atomic(path, actual, 0644);
    ASSERT_TRUE(written.ok()) << written.error().message();
    return;
  }
  const Result<std::string> expected = read_file(path, 1U << 20);
  ASSERT_TRUE(expected.ok()) << expected.error().message();
  EXPECT_EQ(actual, *expected);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& spec : kEngineSpecs) all.push_back({spec, "restricted"});
  for (const char* name : {"development", "maximum", "passthrough"})
    all.push_back({"docker-20.10-default", name});
  all.push_back({"cri2.3-container", "maximum"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Engines, Golden, testing::ValuesIn(cases()), [](const auto& test) {
  std::string name = test.param.spec + "_" + test.param.tier;
  for (char& c : name) {
    if (c == '-' || c == '.') c = '_';
  }
  return name;
});

}  // namespace
}  // namespace gabion::policy::test
