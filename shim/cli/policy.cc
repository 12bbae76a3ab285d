#include "base/text.h"
#include "policy/reader.h"
#include "policy/seccomp_file.h"
#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Result<int> run_policy(const Context& /*context*/, const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words[0] != "check") {
    return make_error(Code::kInvalid,
                      concat({"policy: unknown action \"", words[0], "\"; use: policy check FILE"}));
  }
  // Of the default file also where it is, as every start looks at it.
  const policy::Parents parents =
      words[1] == policy::kDefaultPolicyPath ? policy::Parents::kTrusted : policy::Parents::kAny;
  const policy::Policy policy = TRY(policy::load_policy(words[1], parents));
  TRY(policy::check_seccomp_files(policy));
  TRY(print(concat({printable(words[1]), ": valid\nname    ", printable(policy.name), "\nsha256  ",
                    policy.sha256, "\n"})));
  return 0;
}

}  // namespace

constexpr Command kPolicy = {
    .name = "policy",
    .summary = "check a policy file",
    .usage = "check FILE",
    .description =
        "   Exits 1, naming the place, when FILE is not a valid policy: an unknown key, a wrong type, a\n"
        "   file that is not root's alone to write; or when a profile of its seccompFilters cannot be "
        "used.\n",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_policy,
};

}  // namespace gabion::cli
