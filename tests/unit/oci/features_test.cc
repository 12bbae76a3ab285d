#include "oci/features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "oci/check.h"
#include "oci/names.h"
#include "oci/reader.h"
#include "oci/writer.h"

namespace gabion::oci {
namespace {

const json::Value& at(const json::Value& value, std::initializer_list<const char*> path) {
  static const json::Value kNone;
  const json::Value* here = &value;
  for (const char* key : path) {
    here = here->find(key);
    if (here == nullptr) return kNone;
  }
  return *here;
}

TEST(Features, AnnouncesWhatContainerdAsksFor) {
  json::Value document = features();
  EXPECT_EQ(at(document, {"ociVersionMin"}).text(), "1.0.0");
  EXPECT_EQ(at(document, {"ociVersionMax"}).text(), "1.3.0");
  EXPECT_TRUE(at(document, {"linux", "mountExtensions", "idmap", "enabled"}).as_bool());
  EXPECT_FALSE(at(document, {"linux", "cgroup", "systemd"}).as_bool());
  EXPECT_TRUE(at(document, {"linux", "seccomp", "enabled"}).as_bool());
  EXPECT_EQ(at(document, {"linux", "namespaces"}).items().size(), 8U);
  EXPECT_EQ(at(document, {"linux", "capabilities"}).items().size(), 41U);
  EXPECT_EQ(at(document, {"hooks"}).items().size(), 6U);
  EXPECT_EQ(at(document, {"potentiallyUnsafeConfigAnnotations"}).items()[0].text(), "dev.gabion.");
  const auto& options = at(document, {"mountOptions"}).items();
  EXPECT_TRUE(
      std::any_of(options.begin(), options.end(), [](const auto& item) { return item.text() == "rro"; }));
}

template <typename List>
void expect_distinct_words(const List& list) {
  std::set<std::string_view> seen;
  for (std::string_view word : list) {
    EXPECT_FALSE(word.empty());
    EXPECT_TRUE(seen.insert(word).second) << word;
  }
}

TEST(Features, NoWordIsEmptyOrTwice) {
  expect_distinct_words(names::kMountOptions);
  expect_distinct_words(names::kCapabilities);
  expect_distinct_words(names::kRlimits);
  expect_distinct_words(names::kPropagations);
  expect_distinct_words(names::kSeccompActions);
  expect_distinct_words(names::kSeccompArchitectures);
  EXPECT_TRUE(std::is_sorted(names::kMountOptions.begin(), names::kMountOptions.end()));
}

// Every architecture, action, operator and flag announced is accepted.
TEST(Features, AnnouncedSeccompWordsAreAccepted) {
  Spec spec = example_spec();
  Seccomp& seccomp = spec.linux_.seccomp.emplace();
  seccomp.default_action = "SCMP_ACT_ERRNO";
  seccomp.listener_path = "/run/l";
  json::Value document = features();
  for (const auto& item : at(document, {"linux", "seccomp", "archs"}).items()) {
    seccomp.architectures.push_back(item.text());
  }
  for (const auto& item : at(document, {"linux", "seccomp", "supportedFlags"}).items()) {
    seccomp.flags.push_back(item.text());
  }
  for (const auto& item : at(document, {"linux", "seccomp", "actions"}).items()) {
    SeccompSyscall call;
    call.names = {"mkdir"};
    call.action = item.text();
    for (const auto& op : at(document, {"linux", "seccomp", "operators"}).items()) {
      call.args.push_back(SeccompArg{.index = 0, .value = 1, .value_two = 1, .op = op.text()});
    }
    seccomp.syscalls.push_back(call);
  }
  Status status = check_spec(spec);
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST(Example, IsWhatRuncPrints) {
  Spec spec = example_spec();
  EXPECT_EQ(*read_spec(write_spec(spec)), spec);
  std::string text = json::write(write_spec(spec), json::Style::kIndented);
  EXPECT_TRUE(
      text.starts_with("{\n\t\"ociVersion\": \"1.2.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"
                       "\t\t\"user\": {\n\t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n"
                       "\t\t\"args\": [\n\t\t\t\"sh\"\n\t\t],"));
}

}  // namespace
}  // namespace gabion::oci
