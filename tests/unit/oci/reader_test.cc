#include "oci/reader.h"

#include <gtest/gtest.h>

#include <chrono>

#include "full_spec.h"
#include "oci/writer.h"
#include "real_specs.h"

namespace gabion::oci {
namespace {

std::string failure(std::string_view text) {
  auto result = parse_spec(text, "config.json");
  return result.ok() ? "read" : result.error().message();
}

Spec read(std::string_view text) {
  auto result = parse_spec(text, "config.json");
  EXPECT_TRUE(result.ok()) << result.error().message();
  return result.ok() ? *result : Spec();
}

// Values in any order of keys: Go prints maps sorted and structs in its own order.
bool same(const json::Value& left, const json::Value& right) {
  if (left.kind() != right.kind() || left.as_bool() != right.as_bool() || left.text() != right.text())
    return false;
  if (left.items().size() != right.items().size() || left.members().size() != right.members().size())
    return false;
  for (size_t i = 0; i < left.items().size(); ++i) {
    if (!same(left.items()[i], right.items()[i])) return false;
  }
  for (const auto& [key, value] : left.members()) {
    const json::Value* other = right.find(key);
    if (other == nullptr || !same(value, *other)) return false;
  }
  return true;
}

TEST(Reader, RealSpecsRoundTrip) {
  for (const char* name : kRealSpecs) {
    Spec spec = read(real_spec(name));
    ASSERT_TRUE(spec.process) << name;
    EXPECT_FALSE(spec.process->args.empty()) << name;
    EXPECT_GE(spec.mounts.size(), 5U) << name;
    json::Value written = write_spec(spec);
    auto again = read_spec(written);
    ASSERT_TRUE(again.ok()) << name << ": " << again.error().message();
    EXPECT_EQ(*again, spec) << name;
    EXPECT_EQ(read(json::write(written)), spec) << name;
    EXPECT_EQ(read(json::write(written, json::Style::kIndented)), spec) << name;
  }
}

// Nothing an engine sent is lost: the document itself comes back, not only what we understood of it.
TEST(Reader, RealSpecsLoseNothing) {
  for (const char* name : kRealSpecs) {
    auto document = json::parse(real_spec(name), name);
    ASSERT_TRUE(document.ok());
    EXPECT_TRUE(same(*document, write_spec(read(real_spec(name)))))
        << name << "\n"
        << json::write(write_spec(read(real_spec(name))), json::Style::kIndented);
  }
}

TEST(Reader, EveryFieldRoundTrips) {
  auto document = json::parse(kFullSpec, "full");
  ASSERT_TRUE(document.ok()) << document.error().message();
  Spec spec = read(kFullSpec);
  json::Value written = write_spec(spec);
  EXPECT_EQ(*read_spec(written), spec);
  EXPECT_TRUE(same(*document, written)) << json::write(written, json::Style::kIndented);
}

TEST(Reader, PutsValuesWhereTheyBelong) {
  Spec spec = read(kFullSpec);
  EXPECT_EQ(spec.process->user.uid, UINT32_MAX);
  EXPECT_EQ(spec.process->user.umask, 18U);
  EXPECT_EQ(spec.process->rlimits[0].hard, UINT64_MAX);
  EXPECT_EQ(spec.process->rlimits[0].soft, 1024U);
  EXPECT_EQ(spec.process->capabilities->ambient, std::vector<std::string>{"CAP_SETGID"});
  EXPECT_EQ(spec.process->exec_cpu_affinity->final_, "1");
  EXPECT_EQ(spec.process->scheduler->nice, 0);
  EXPECT_EQ(spec.mounts[0].gid_mappings[0].host_id, 2000U);
  EXPECT_EQ(spec.hooks.prestart[0].timeout, 5);
  EXPECT_EQ(spec.hooks.poststop[0].path, "/h6");
  // Maps keep the document's order where it may matter.
  EXPECT_EQ(spec.annotations[0].first, "z.key");
  EXPECT_EQ(spec.linux_.resources->unified[0].first, "memory.high");
  EXPECT_EQ(spec.linux_.resources->pids_limit, 0);
  EXPECT_EQ(spec.linux_.resources->memory->swap, -1);
  EXPECT_EQ(spec.linux_.resources->memory->disable_oom_killer, false);
  EXPECT_EQ(spec.linux_.resources->block_io->throttle_read_iops_device[0].rate, 602U);
  EXPECT_FALSE(spec.linux_.resources->devices[0].major);
  EXPECT_EQ(spec.linux_.resources->devices[1].minor, 3);
  EXPECT_FALSE(spec.linux_.resources->rdma.at("rxe3").hca_handles);
  EXPECT_EQ(spec.linux_.namespaces.size(), 8U);
  EXPECT_EQ(spec.linux_.namespaces[7].type, NamespaceType::kTime);
  EXPECT_EQ(spec.linux_.net_devices.at("eth0").name, "inside");
  EXPECT_EQ(spec.linux_.seccomp->syscalls[0].args[0].value, UINT64_MAX);
  EXPECT_EQ(spec.linux_.seccomp->syscalls[0].args[0].value_two, 7U);
  EXPECT_TRUE(spec.linux_.has_intel_rdt);
  EXPECT_EQ(spec.linux_.time_offsets.at("boottime").secs, -1);
}

TEST(Reader, NullIsAbsent) {
  Spec spec = read(R"({"ociVersion":"1.0.2","process":{"args":null,"capabilities":null,"user":null,
    "rlimits":null,"oomScoreAdj":null},"root":null,"mounts":null,"hooks":null,"annotations":null,
    "linux":{"resources":{"pids":null,"devices":null},"seccomp":null,"intelRdt":null,"namespaces":null}})");
  ASSERT_TRUE(spec.process);
  ASSERT_TRUE(spec.linux_.resources);
  EXPECT_TRUE(spec.process->args.empty());
  EXPECT_FALSE(spec.process->capabilities);
  EXPECT_FALSE(spec.process->oom_score_adj);
  EXPECT_FALSE(spec.root);
  EXPECT_TRUE(spec.hooks.empty());
  EXPECT_FALSE(spec.linux_.resources->pids_limit);
  EXPECT_FALSE(spec.linux_.seccomp);
  EXPECT_FALSE(spec.linux_.has_intel_rdt);
  EXPECT_EQ(read(R"({"linux":{}})").linux_, Linux());
}

TEST(Reader, PresentButEmptyIsKept) {
  Spec spec = read(R"({"process":{"capabilities":{}},"linux":{"seccomp":{},"resources":{"memory":{}}}})");
  EXPECT_TRUE(spec.process->capabilities);
  EXPECT_TRUE(spec.linux_.seccomp);
  EXPECT_TRUE(spec.linux_.resources->memory);
  EXPECT_EQ(*read_spec(write_spec(spec)), spec);
}

TEST(Reader, IgnoresWhatItDoesNotKnow) {
  EXPECT_EQ(failure(R"({"ociVersion":"1.0.0","windows":{"layerFolders":7},"solaris":1,"vm":[],"zos":{},
    "freebsd":{},"x":{"y":[null]},"process":{"commandLine":5,"user":{"username":3}}})"),
            "read");
}

TEST(Reader, Normalises) {
  Spec spec =
      read(R"({"mounts":[{"destination":"data/../x"},{"destination":"../../etc"},{"destination":"/a/../b"},
    {"destination":""}],"process":{"capabilities":{"bounding":["cap_sys_admin","CAP_KILL","CAP_odd1"]}},
    "linux":{"resources":{"devices":[{"allow":true,"major":-1,"minor":-1}]}}})");
  EXPECT_EQ(spec.mounts[0].destination, "/x");
  EXPECT_EQ(spec.mounts[1].destination, "/etc");
  EXPECT_EQ(spec.mounts[2].destination, "/a/../b");
  EXPECT_EQ(spec.mounts[3].destination, "");
  EXPECT_EQ(spec.process->capabilities->bounding,
            (std::vector<std::string>{"CAP_SYS_ADMIN", "CAP_KILL", "CAP_ODD1"}));
  EXPECT_FALSE(spec.linux_.resources->devices[0].major);
  EXPECT_FALSE(spec.linux_.resources->devices[0].minor);
}

TEST(Reader, ErrorsNameThePath) {
  EXPECT_EQ(failure(R"({"process":{"rlimits":[{},{},{"soft":"many"}]}})"),
            "config.json: process.rlimits[2].soft: expected a number, found string");
  EXPECT_EQ(
      failure(R"({"linux":{"resources":{"rdma":{"a.b":{"hcaHandles":-1}}}}})"),
      "config.json: linux.resources.rdma[\"a.b\"].hcaHandles: expected a whole number from 0 to 4294967295, "
      "found -1");
  EXPECT_EQ(failure(R"({"linux":{"namespaces":[{"type":"pid"},{"type":"net"}]}})"),
            "config.json: linux.namespaces[1].type: namespace \"net\" does not exist");
  EXPECT_EQ(failure(R"({"annotations":{"k":1}})"),
            "config.json: annotations[\"k\"]: expected a string, found number");
  EXPECT_EQ(failure("[]"), "config.json: expected an object, found array");
  EXPECT_EQ(failure("null"), "config.json: expected an object, found null");
  EXPECT_EQ(read_process(json::Value::string("x")).error().message(), "expected an object, found string");
}

TEST(Reader, RefusesNumbersOutOfRange) {
  for (const char* uid : {"-1", "4294967296", "1.0", "1e3", "0.5", "18446744073709551616", "1e999"}) {
    EXPECT_NE(failure("{\"process\":{\"user\":{\"uid\":" + std::string(uid) + "}}}"), "read") << uid;
  }
  for (const char* text : {R"({"linux":{"resources":{"blockIO":{"weight":65536}}}})",
                           R"({"process":{"oomScoreAdj":2147483648}})",
                           R"({"linux":{"resources":{"memory":{"limit":9223372036854775808}}}})",
                           R"({"linux":{"resources":{"cpu":{"shares":-1}}}})",
                           R"({"linux":{"timeOffsets":{"x":{"nanosecs":-1}}}})",
                           R"({"hooks":{"poststop":[{"timeout":1.5}]}})"}) {
    EXPECT_NE(failure(text), "read") << text;
  }
  EXPECT_EQ(failure(R"({"linux":{"resources":{"memory":{"limit":-9223372036854775808}}}})"), "read");
}

// Replaces each value of a document that sets every field by one of every other kind: each must be
// refused with a message, never ignored and never a crash.
void try_other_kinds(json::Value& root, json::Value& value, size_t& tried) {
  const json::Value original = value;
  const json::Value::Kind kind = original.kind();
  json::Value array = json::Value::array();
  array.push(json::Value::boolean(true));
  const json::Value others[] = {json::Value::boolean(true), json::Value::integer(7), json::Value::string("x"),
                                array, json::Value::object()};
  for (const json::Value& other : others) {
    if (other.is(kind)) continue;
    value = other;
    auto result = read_spec(root);
    EXPECT_FALSE(result.ok()) << json::write(original) << " as " << json::write(other);
    if (!result.ok()) {
      const bool named = result.error().context.find("expected") != std::string::npos ||
                         result.error().context.find("does not exist") != std::string::npos;
      EXPECT_TRUE(named) << result.error().message();
    }
    ++tried;
  }
  value = original;
}

void walk(json::Value& root, json::Value& value, size_t& tried) {
  for (const auto& item : value.items()) {
    auto& child = const_cast<json::Value&>(item);
    try_other_kinds(root, child, tried);
    walk(root, child, tried);
  }
  for (const auto& [key, member] : value.members()) {
    if (key == "intelRdt") continue;  // only its presence counts
    auto& child = const_cast<json::Value&>(member);
    try_other_kinds(root, child, tried);
    walk(root, child, tried);
  }
}

TEST(Reader, RefusesWrongTypesEverywhere) {
  json::Value document = json::parse(kFullSpec, "full").value();
  size_t tried = 0;
  walk(document, document, tried);
  EXPECT_GT(tried, 800U);
}

TEST(Reader, TruncatedAnywhereIsAnError) {
  const std::string text = real_spec("config-docker-20.10-default.json");
  const std::string whole = text.substr(0, text.find_last_of('}') + 1);
  ASSERT_EQ(failure(whole), "read");
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_NE(failure(std::string_view(whole).substr(0, size)), "read") << size;
  }
}

TEST(Reader, DamagedAnywhereNeverCrashes) {
  const std::string text = real_spec("config-ctr-default.json");
  for (size_t at = 0; at < text.size(); ++at) {
    for (char byte : {'\0', '"', '{', ']', '\xff', '9'}) {
      std::string damaged = text;
      damaged[at] = byte;
      (void)parse_spec(damaged, "config.json").ok();
    }
  }
}

TEST(Reader, HugeAndHostileAreRefusedQuickly) {
  auto start = std::chrono::steady_clock::now();
  std::string huge = R"({"ociVersion":")" + std::string(17 << 20, 'a') + "\"}";
  EXPECT_NE(failure(huge), "read");
  EXPECT_NE(failure("{\"linux\":" + std::string(1'000'000, '[')), "read");
  std::string nested;
  for (int i = 0; i < 1'000'000; ++i) nested += "{\"a\":";
  EXPECT_NE(failure(nested), "read");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Reader, ProcessAndResourcesAlone) {
  auto process = read_process(json::parse(R"({"args":["x"],"cwd":"/","user":{"uid":7}})", "p").value());
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->user.uid, 7U);
  EXPECT_EQ(*read_process(write_process(*process)), *process);
  auto resources =
      read_resources(json::parse(R"({"pids":{"limit":-1},"devices":[{"major":-1}]})", "r").value());
  ASSERT_TRUE(resources.ok());
  EXPECT_EQ(resources->pids_limit, -1);
  EXPECT_FALSE(resources->devices[0].major);
  EXPECT_EQ(*read_resources(write_resources(*resources)), *resources);
}

}  // namespace
}  // namespace gabion::oci
