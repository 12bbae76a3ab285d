#include "policy/reader.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "policy/fields.h"
#include "policy/tiers.h"
#include "policy/values.h"

namespace gabion::policy {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr std::string_view kTiers = "development, restricted, maximum or passthrough";

json::ParseOptions parse_options() {
  json::ParseOptions options;
  options.max_bytes = kMaxBytes;
  options.max_depth = 16;
  options.allow_comments = true;
  return options;
}

// The built-in policy that `document` extends, or the loosest one.
Result<Policy> inherited(const json::Value& document, std::string_view where) {
  const json::Value* extends = document.find("extends");
  if (extends == nullptr) return Policy{};
  const std::string place = at_key(where, "extends");
  const std::string tier = TRY(to_text(*extends, place));
  return TRY_AT(builtin_policy(tier), place);
}

// Where nothing is enforced every key is void, and a control that is asked for would not be in force. Nor is
// `enforce` a way to switch off a whole tier: what enforces nothing says so where it begins.
Status check_enforced(const Policy& policy, const Policy& tier, const json::Value& document,
                      std::string_view where) {
  if (policy.enforce) return ok_status();
  if (tier.enforce) {
    return invalid(
        at_key(where, "enforce"),
        "false would switch off everything the tier does (fix: extend passthrough, or take it out)");
  }
  for (const auto& [key, value] : document.members()) {
    if (key == "name" || key == "extends" || key == "enforce") continue;
    return invalid(
        at_key(where, key),
        "nothing is applied where \"enforce\" is false (fix: extend another tier than passthrough)");
  }
  return ok_status();
}

// A tier stands on its own or on another tier; a node's policy always on a tier, since a file that
// forgot to extend one would be a policy that enforces nothing.
enum class Source { kTier, kNode };

Result<Policy> parse(std::string_view text, std::string_view name, Source source) {
  const json::Value document = TRY(json::parse(text, name, parse_options()));
  const std::string where = concat({name, ":"});
  TRY(expect(document, json::Value::Kind::kObject, name));
  if (source == Source::kNode && document.find("extends") == nullptr) {
    return invalid(name, concat({"\"extends\" is missing: name the tier to start from, ", kTiers}));
  }
  Policy policy = TRY(inherited(document, where));
  const Policy tier = policy;
  TRY(read_fields(document, where, policy));
  if (policy.violations.any() && policy.seccomp_profile.empty()) {
    return invalid(
        at_key(where, "violations"),
        "without a seccompProfile nothing is denied that could be answered: set one, or {\"*\": \"off\"}");
  }
  if (source == Source::kNode) TRY(check_enforced(policy, tier, document, where));
  if (const json::Value* own = document.find("name")) policy.name = TRY(to_text(*own, at_key(where, "name")));
  // A hash of hashes: the tier's text decides as much as the file's.
  policy.sha256 = tier.sha256.empty() ? sha256_hex(text) : sha256_hex(concat({tier.sha256, "\n", text}));
  return policy;
}

}  // namespace

Result<Policy> parse_policy(std::string_view text, std::string_view name) {
  return parse(text, name, Source::kNode);
}

Result<Policy> builtin_policy(std::string_view tier) {
  const std::string_view text = tier_text(tier);
  if (text.empty()) {
    return make_error(Code::kInvalid, concat({"there is no policy tier \"", tier, "\": use ", kTiers}));
  }
  return parse(text, tier, Source::kTier);
}

Result<Policy> load_policy(const std::string& path, Parents parents) {
  // O_NONBLOCK: a fifo in its place must not hang every start.
  const Fd file = TRY_AT(open_path(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), "policy");
  TRY(check_trusted_file(file.get(), path, "a policy", parents));
  const std::string text = TRY(read_fd(file.get(), kMaxBytes, path));
  return parse_policy(text, path);
}

Result<Policy> default_policy(const std::string& path) {
  Result<Policy> policy = load_policy(path, Parents::kTrusted);
  if (!policy.ok() && policy.error().sys_errno == ENOENT) return builtin_policy(kDefaultTier);
  return policy;
}

}  // namespace gabion::policy
