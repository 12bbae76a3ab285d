#include "kernel/devices_bpf.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

namespace gabion::kernel {
namespace {

constexpr uint32_t kRead = BPF_DEVCG_ACC_READ;
constexpr uint32_t kWrite = BPF_DEVCG_ACC_WRITE;
constexpr uint32_t kMknod = BPF_DEVCG_ACC_MKNOD;

DeviceRule rule(bool allow, char type, int64_t major, int64_t minor, uint32_t access) {
  return {.allow = allow,
          .type = type,
          .major = major,
          .minor = minor,
          .read = (access & kRead) != 0,
          .write = (access & kWrite) != 0,
          .mknod = (access & kMknod) != 0};
}

struct Request {
  char type = 'c';
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t access = 0;
};

// The few instructions device_program emits, run as the kernel would; -1 for anything else.
int run(const BpfProgram& program, const Request& request) {
  bpf_cgroup_dev_ctx context{};
  context.access_type =
      request.access << 16 | (request.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  context.major = request.major;
  context.minor = request.minor;
  std::array<uint64_t, 11> r{};
  for (size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& i = program[at];
    const auto immediate = static_cast<uint32_t>(i.imm);
    const auto low = static_cast<uint32_t>(r[i.dst_reg]);
    switch (i.code) {
      case BPF_LDX | BPF_MEM | BPF_W: {
        uint32_t word = 0;
        std::memcpy(&word, reinterpret_cast<const char*>(&context) + i.off, sizeof(word));
        r[i.dst_reg] = word;
        break;
      }
      case BPF_ALU | BPF_MOV | BPF_X:
        r[i.dst_reg] = static_cast<uint32_t>(r[i.src_reg]);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        r[i.dst_reg] = low & immediate;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        r[i.dst_reg] = low >> immediate;
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        r[i.dst_reg] = static_cast<uint64_t>(i.imm);
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        at += low != immediate ? i.off : 0;
        break;
      case BPF_JMP32 | BPF_JSET | BPF_K:
        at += (low & immediate) != 0 ? i.off : 0;
        break;
      case BPF_JMP | BPF_JA:
        at += i.off;
        break;
      case BPF_JMP | BPF_EXIT:
        return static_cast<int>(r[0]);
      default:
        return -1;
    }
  }
  return -1;
}

// The meaning, straight: every access asked for is decided by the last rule that names it.
bool expected(const std::vector<DeviceRule>& rules, const Request& request) {
  for (uint32_t bit : {kRead, kWrite, kMknod}) {
    if ((request.access & bit) == 0) continue;
    bool allowed = false;
    for (const DeviceRule& one : rules) {
      const bool named =
          (bit == kRead && one.read) || (bit == kWrite && one.write) || (bit == kMknod && one.mknod);
      if (!named || (one.type != 'a' && one.type != request.type)) continue;
      if (one.major >= 0 && one.major != request.major) continue;
      if (one.minor >= 0 && one.minor != request.minor) continue;
      allowed = one.allow;
    }
    if (!allowed) return false;
  }
  return true;
}

TEST(DevicesBpf, NoRulesDenyEverything) { EXPECT_EQ(run(device_program({}), {'c', 1, 3, kRead}), 0); }

TEST(DevicesBpf, DockersListAllowsItsDevicesOnly) {
  const BpfProgram program =
      device_program({rule(false, 'a', -1, -1, 7), rule(true, 'c', -1, -1, kMknod), rule(true, 'c', 1, 3, 7),
                      rule(true, 'c', 136, -1, 7), rule(false, 'c', 10, 229, 7)});
  EXPECT_EQ(run(program, {'c', 1, 3, kRead | kWrite}), 1);
  EXPECT_EQ(run(program, {'c', 136, 4096, kRead}), 1);
  EXPECT_EQ(run(program, {'c', 10, 200, kMknod}), 1);
  EXPECT_EQ(run(program, {'c', 10, 200, kMknod | kRead}), 0);
  EXPECT_EQ(run(program, {'c', 10, 229, kMknod}), 0);
  EXPECT_EQ(run(program, {'b', 1, 3, kRead}), 0);
}

TEST(DevicesBpf, AccessesMayComeFromDifferentRules) {
  const BpfProgram program = device_program({rule(true, 'c', 1, 3, kRead), rule(true, 'c', -1, -1, kWrite)});
  EXPECT_EQ(run(program, {'c', 1, 3, kRead | kWrite}), 1);
  EXPECT_EQ(run(program, {'c', 1, 5, kRead | kWrite}), 0);
}

TEST(DevicesBpf, LargeNumbersAreNotSignExtended) {
  const BpfProgram program = device_program({rule(true, 'b', 0xfff, 0xffffffffLL, kRead)});
  EXPECT_EQ(run(program, {'b', 0xfff, 0xffffffffU, kRead}), 1);
  EXPECT_EQ(run(program, {'b', 0xfff, 0x7fffffffU, kRead}), 0);
}

TEST(DevicesBpf, UnknownTypeGrantsNothing) {
  EXPECT_EQ(run(device_program({rule(true, 'p', -1, -1, 7)}), {'c', 1, 3, kRead}), 0);
}

TEST(DevicesBpf, RandomListsMeanWhatTheySay) {
  std::mt19937 random(20240607);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 300; ++round) {
    std::vector<DeviceRule> rules;
    for (int i = pick(8); i > 0; --i) {
      rules.push_back(
          rule(pick(2) == 1, "abc"[pick(3)], pick(4) - 1, pick(4) - 1, static_cast<uint32_t>(1 + pick(7))));
    }
    const BpfProgram program = device_program(rules);
    for (uint32_t access = 1; access < 8; ++access) {
      for (uint32_t major = 0; major < 3; ++major) {
        for (uint32_t minor = 0; minor < 3; ++minor) {
          for (char type : {'b', 'c'}) {
            const Request request{type, major, minor, access};
            ASSERT_EQ(run(program, request), expected(rules, request) ? 1 : 0)
                << "round " << round << " " << type << " " << major << ":" << minor << " " << access;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gabion::kernel
