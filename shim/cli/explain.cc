#include <unistd.h>

#include "shim/cli/command.h"
#include "shim/cli/create_options.h"
#include "shim/cli/explain_text.h"
#include "shim/cli/format.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"format", 0, FlagKind::kText, "FORMAT",
     "text (default) or json, which also has the hardened configuration"},
    kConfigFlag,
};

Result<int> run_explain(const Context& context, const Arguments& arguments) {
  const bool as_json = TRY(wants_json(arguments, "text"));
  const std::string bundle = arguments.positional().empty() ? "." : arguments.positional()[0];
  const std::string config = arguments.has("config") ? arguments.text("config") : "config.json";
  Session session = TRY(Session::open(context, Need::kExplain));
  const container::Explanation explanation = TRY(container::explain(session.host(), bundle, config));
  const Subject subject{
      .bundle = bundle, .policy = session.policy().name, .policy_sha256 = session.policy().sha256};
  TRY(print(as_json ? json::write(explain_document(explanation, subject), json::Style::kIndented) + "\n"
                    : explain_text(explanation, subject, ::isatty(STDOUT_FILENO) == 1)));
  return explanation.refused ? 1 : 0;
}

}  // namespace

constexpr Command kExplain = {
    .name = "explain",
    .summary = "show what the policy makes of a bundle, and why, without running anything",
    .usage = "[BUNDLE]",
    .description =
        "   Every decision with its rule, the place in config.json, what was there before and after, and "
        "the\n"
        "   reason. Exits 1 when the container would be refused.\n",
    .flags = kFlags,
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run_explain,
};

}  // namespace gabion::cli
