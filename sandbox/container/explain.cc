// What a bundle would become, without becoming it: reads, opens and judges, changes nothing and
// writes no audit record.
#include <fcntl.h>

#include <utility>
#include <variant>

#include "base/file.h"
#include "base/path.h"
#include "container/container.h"
#include "container/survey.h"
#include "oci/check.h"
#include "oci/reader.h"

namespace gabion::container {

Result<Explanation> explain(const Host& host, const std::string& bundle, const std::string& config) {
  constexpr size_t kConfigLimit = size_t{16} << 20;
  const Fd directory = TRY_AT(open_path(bundle, O_PATH | O_DIRECTORY), "bundle");
  const std::string absolute = TRY(path_of(directory.get()));
  // An absolute `config` ignores the directory, openat(2).
  const std::string text = TRY(read_file_at(directory.get(), config, kConfigLimit));
  const oci::Spec spec = TRY(oci::parse_spec(text, config));
  TRY(oci::check_spec(spec));
  const Survey seen = TRY(survey(spec, *host.policy, absolute, host.root));

  Explanation explanation;
  auto verdict = policy::harden(spec, *host.policy, seen.facts);
  if (auto* refusal = std::get_if<policy::Refusal>(&verdict)) {
    explanation.refused = true;
    explanation.decisions = std::move(refusal->decisions);
    return explanation;
  }
  const auto& hardened = std::get<policy::HardenedSpec>(verdict);
  explanation.decisions = hardened.decisions();
  explanation.hardened = hardened.spec();
  explanation.controls = hardened.controls();
  return explanation;
}

}  // namespace gabion::container
