#include "container/admission.h"

#include <fcntl.h>

#include <optional>
#include <utility>
#include <variant>

#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "container/foreground.h"
#include "container/lifecycle.h"
#include "container/state.h"
#include "oci/check.h"
#include "oci/reader.h"

namespace gabion::container {

namespace {

constexpr size_t kConfigLimit = size_t{16} << 20;

}  // namespace

Result<BundleConfig> read_bundle(const CreateOptions& options) {
  BundleConfig config;
  const Fd directory = TRY_AT(open_path(options.bundle, O_PATH | O_DIRECTORY), "bundle");
  config.bundle = TRY(path_of(directory.get()));
  const std::string text = TRY(read_file_at(directory.get(), options.config, kConfigLimit));
  config.spec = TRY(oci::parse_spec(text, options.config));
  TRY(oci::check_spec(config.spec));
  config.sha256 = sha256_hex(text);
  return config;
}

Result<Judged> judge(const Host& host, const CreateOptions& options, BundleConfig config,
                     std::optional<uint64_t> view) {
  Survey seen = TRY(survey(config.spec, *host.policy, config.bundle, host.root, view));
  auto verdict = policy::harden(config.spec, *host.policy, seen.facts);
  State asked;
  asked.id = options.id;
  asked.bundle = config.bundle;
  audit::Record record = audit_record(host, "container.create", asked);
  record.config_sha256 = config.sha256;
  if (config.spec.process) record.argv = config.spec.process->args;
  if (const auto* refusal = std::get_if<policy::Refusal>(&verdict)) {
    return refuse(host, std::move(record), refusal->decisions);
  }
  auto& hardened = std::get<policy::HardenedSpec>(verdict);
  const std::optional<oci::Process>& process = hardened.spec().process;
  TRY(check_console(options.detach, process && process->terminal, options.console_socket, options.console));
  record.decisions = hardened.decisions();
  TRY(append_audit(host, record));
  return Judged{std::move(config), std::move(seen), std::move(hardened)};
}

}  // namespace gabion::container
