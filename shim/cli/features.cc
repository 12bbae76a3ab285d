#include "oci/features.h"

#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Result<int> run_features(const Context& /*context*/, const Arguments& /*arguments*/) {
  TRY(print(json::write(oci::features(), json::Style::kIndented) + "\n"));
  return 0;
}

}  // namespace

constexpr Command kFeatures = {
    .name = "features",
    .summary = "print what this build supports, as the OCI Features document",
    .usage = "",
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run_features,
};

}  // namespace gabion::cli
