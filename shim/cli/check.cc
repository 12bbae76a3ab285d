#include "node/check.h"

#include <unistd.h>

#include "shim/cli/check_text.h"
#include "shim/cli/command.h"
#include "shim/cli/format.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"format", 'f', FlagKind::kText, "FORMAT", "table (default) or json"},
    {"path", 0, FlagKind::kList, "DIR",
     "a directory that holds images or volumes; may be repeated (default: the engines' own)"},
    {"docker-config", 0, FlagKind::kText, "FILE",
     "Docker's configuration (default: /etc/docker/daemon.json)"},
    {"containerd-config", 0, FlagKind::kText, "FILE",
     "containerd's configuration (default: /etc/containerd/config.toml)"},
};

Result<int> run_check(const Context& context, const Arguments& arguments) {
  const bool as_json = TRY(wants_json(arguments));
  if (::geteuid() != 0) return make_error(Code::kInvalid, "check: only root can try what gabion needs");
  node::Request request;
  request.root = context.root;
  request.policy_file = context.policy_file;
  request.audit_file = context.audit_file;
  request.no_cgroups = context.no_cgroups;
  request.docker_config = arguments.text("docker-config");
  request.containerd_config = arguments.text("containerd-config");
  request.paths = arguments.list("path");
  const node::Findings findings = node::check_node(request);
  TRY(print(as_json ? json::write(check_document(findings), json::Style::kIndented) + "\n"
                    : check_text(findings, ::isatty(STDOUT_FILENO) == 1)));
  return node::worst(findings) == node::Verdict::kFail ? 1 : 0;
}

}  // namespace

constexpr Command kCheck = {
    .name = "check",
    .summary = "see whether this node is ready: kernel, file systems, engines, leftovers",
    .usage = "",
    .description =
        "   Tries what containers need, in processes and namespaces that are gone afterwards, and changes\n"
        "   nothing. Every line is pass, warn or fail, and says how to cure what does not pass. Exits 1 "
        "when\n"
        "   something fails; a warning alone is no failure.\n",
    .flags = kFlags,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run_check,
};

}  // namespace gabion::cli
