// Gabion's own files: the policy, its id range, the audit log.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "audit/tail.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "node/checks.h"
#include "node/id_overlap.h"
#include "policy/reader.h"

namespace gabion::node {
namespace {

constexpr size_t kTextLimit = size_t{16} << 20;
constexpr uint32_t kSomeId = 0x70000000;

std::string text_of(const char* path) {
  Result<std::string> text = read_file(path, kTextLimit);
  return text.ok() ? std::move(text).value() : std::string();
}

std::vector<TakenIds> ids_of_the_host() {
  std::vector<TakenIds> taken = read_passwd_ids(text_of("/etc/passwd"));
  const auto add = [&taken](std::vector<TakenIds> more) {
    taken.insert(taken.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  add(read_group_ids(text_of("/etc/group")));
  add(read_subordinate_ids(text_of("/etc/subuid"), "/etc/subuid"));
  add(read_subordinate_ids(text_of("/etc/subgid"), "/etc/subgid"));
  return taken;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Log::open() would make the file: where it is missing, only whether it could be is looked at.
Status try_log(const std::string& path) {
  if (exists(path)) {
    TRY(audit::Log::open(path));
    const Fd file = TRY(open_path(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    TRY(audit::read_tail(file.get(), path));
    return ok_status();
  }
  std::string directory = parent_of(path);
  while (!exists(directory)) directory = parent_of(directory);
  // faccessat(2) also tells a read-only file system, which root's permissions do not change.
  if (::access(directory.c_str(), W_OK) != 0) return sys_error(concat({"cannot be made in ", directory}));
  return ok_status();
}

bool is_full(const std::string& path) {
  struct statvfs info {};
  std::string place = path;
  while (!exists(place) && place.size() > 1) place = parent_of(place);
  return ::statvfs(place.c_str(), &info) == 0 && info.f_blocks > 0 && info.f_bavail == 0;
}

}  // namespace

void check_policy(Subject& subject, Findings& findings) {
  const std::string& named = subject.request.policy_file;
  const std::string file = named.empty() ? policy::kDefaultPolicyPath : named;
  Result<policy::Policy> policy = named.empty() ? policy::default_policy() : policy::load_policy(named);
  if (policy.ok()) {
    const bool built_in = named.empty() && !exists(file);
    findings.push_back(passed(
        "policy",
        concat({policy->name, built_in ? ", built in" : "", ", sha256 ", policy->sha256.substr(0, 12)}),
        built_in ? "" : file));
  } else {
    findings.push_back(
        failed("policy", policy.error().message(),
               concat({"correct it; `gabion policy check ", file, "` says when it is right"})));
    policy = policy::builtin_policy(policy::kDefaultTier);
  }
  if (policy.ok()) subject.policy = std::move(policy).value();
  subject.first_id = subject.policy.ids.count == 0 ? kSomeId : subject.policy.ids.base;
}

void check_ids(const Subject& subject, Findings& findings) {
  const policy::IdRange& range = subject.policy.ids;
  if (!subject.policy.user_namespace) {
    findings.push_back(passed("id-range", "not used: the policy gives containers no user namespace"));
    return;
  }
  const std::string words =
      concat({std::to_string(range.count), " ids from ", std::to_string(range.base), " for ",
              std::to_string(range.size == 0 ? 0 : range.count / range.size), " containers"});
  const std::vector<TakenIds> taken = ids_of_the_host();
  const std::vector<TakenIds> shared = overlapping(taken, range);
  if (shared.empty()) {
    findings.push_back(passed("id-range", concat({words, ", nobody else's"})));
    return;
  }
  std::vector<std::string> owners;
  owners.reserve(shared.size());
  for (const TakenIds& ids : shared) {
    owners.push_back(concat({ids.owner, " (", std::to_string(ids.first),
                             ids.count > 1 ? concat({"+", std::to_string(ids.count)}) : "", ")"}));
  }
  const std::optional<uint32_t> base = free_base(taken, range);
  findings.push_back(failed(
      "id-range", concat({words, " overlap ", name_some(owners, 4)}),
      concat({"choose ids nobody has in the policy's \"ids\"",
              base ? concat({": \"base\": ", std::to_string(*base), " is free"}) : ", and fewer of them"})));
}

void check_audit_log(const Subject& subject, Findings& findings) {
  const std::string& path = subject.request.audit_file;
  const Status status = try_log(path);
  if (!status.ok()) {
    findings.push_back(
        failed("audit-log", status.error().message(),
               "make it a regular file of root's, mode 0600, on a file system that can be written; "
               "without a log no container is made",
               path));
  } else if (is_full(path)) {
    findings.push_back(failed("audit-log", "its file system is full",
                              "free space or rotate the log; what cannot be logged is not run", path));
  } else {
    findings.push_back(passed("audit-log", exists(path) ? "root's, and takes lines" : "will be made", path));
  }
}

}  // namespace gabion::node
