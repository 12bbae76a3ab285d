// A watching filter beside another one: nothing more is allowed than by the two that deny by themselves, and
// what the watching one denies is heard of.
#include "kernel/seccomp_watch.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "kernel/seccomp_cache.h"
#include "tests/unit/kernel/bpf_evaluator.h"
#include "tests/unit/kernel/seccomp_reference.h"

namespace gabion::kernel::seccomp::test {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;

uint32_t kind_of(uint32_t action) { return action & SECCOMP_RET_ACTION_FULL; }

// The kernel's choice among filters.
uint32_t strictest(uint32_t left, uint32_t right) {
  return static_cast<int32_t>(kind_of(left)) <= static_cast<int32_t>(kind_of(right)) ? left : right;
}

std::array<uint64_t, 6> arguments_of(const seccomp_data& call) {
  std::array<uint64_t, 6> arguments{};
  std::copy(std::begin(call.args), std::end(call.args), arguments.begin());
  return arguments;
}

seccomp_data native_call(long number, uint64_t first = 0, uint64_t second = 0, uint64_t third = 0) {
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = AUDIT_ARCH_X86_64;
  call.args[0] = first;
  call.args[1] = second;
  call.args[2] = third;
  return call;
}

// As it is loaded where all kinds are listened to.
const WatchingProfile& watching(bool raw_sockets = false) {
  static const auto all = [](bool raw) {
    const WatchingProfile& profile = *watching_profile("default", raw);
    return listening_for(profile, profile.kinds);
  };
  static const WatchingProfile profiles[] = {all(false), all(true)};
  return profiles[raw_sockets ? 1 : 0];
}

Filter denying_by_default() {
  Filter filter;
  filter.default_action = SECCOMP_RET_ERRNO | EPERM;
  filter.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  filter.enosys_for_unknown = true;
  filter.rules = {{{"read", "write", "socket", "execve"}, kAllow, {}},
                  {{"clone"}, kAllow, {{0, Compare::kMaskedEqual, 0x7e020000, 0}}}};
  return filter;
}

// Calls that a profile or a filter tells apart.
std::vector<seccomp_data> calls_for(const Filter& filter) {
  std::vector<seccomp_data> calls = interesting_calls(filter, 4);
  std::erase_if(calls, [](const seccomp_data& call) { return call.arch != AUDIT_ARCH_X86_64; });
  for (const uint64_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, 99}) {
    for (const uint64_t type :
         {uint64_t{SOCK_STREAM}, uint64_t{SOCK_RAW}, uint64_t{SOCK_RAW | SOCK_CLOEXEC}}) {
      for (const uint64_t protocol : {0, 9, 33}) {
        calls.push_back(native_call(SYS_socket, family, type, protocol));
        calls.push_back(native_call(SYS_socket, family | uint64_t{1} << 32, type, protocol));
      }
    }
  }
  for (uint64_t bit = 0; bit < 64; ++bit) {
    calls.push_back(native_call(SYS_clone, uint64_t{1} << bit));
    calls.push_back(native_call(SYS_unshare, uint64_t{1} << bit));
  }
  for (const uint64_t command : {0x5412UL, 0x541cUL, 0x5423UL, 0x5401UL, 1UL << 32 | 0x5412UL}) {
    calls.push_back(native_call(SYS_ioctl, 0, command));
  }
  return calls;
}

void expect_nothing_more_allowed(const Filter& filter, bool raw_sockets, const std::string& what) {
  const WatchingProfile& profile = watching(raw_sockets);
  const Program plain = *compile(filter);
  const Result<Program> left = compile(filter, &profile.watch);
  ASSERT_TRUE(left.ok()) << what << ": " << left.error().message();
  size_t heard = 0;
  for (const seccomp_data& call : calls_for(filter)) {
    const std::string where = what + ", call " + std::to_string(call.nr) + " " +
                              std::to_string(call.args[0]) + " " + std::to_string(call.args[1]) + " " +
                              std::to_string(call.args[2]);
    const uint32_t own = *evaluate(*builtin_profile("default"), call);
    const uint32_t before = strictest(own, *evaluate(plain, call));
    uint32_t after = strictest(*evaluate(profile.program, call), *evaluate(*left, call));
    if (kind_of(after) == SECCOMP_RET_USER_NOTIF) {
      const WatchedCall* watched = find_watched(profile.watch, static_cast<uint32_t>(call.nr));
      ASSERT_NE(watched, nullptr) << where;
      after = seccomp::evaluate(watched->verdict, arguments_of(call));
      ASSERT_EQ(kind_of(after), uint32_t{SECCOMP_RET_ERRNO}) << where;  // never let through
      ++heard;
      // Raw sockets without the capability are the kernel's to refuse otherwise.
      if (kind_of(before) == kAllow) {
        ASSERT_FALSE(raw_sockets) << where;
        ASSERT_EQ(call.nr, SYS_socket) << where;
        ASSERT_EQ(call.args[1] & 0xf, uint64_t{SOCK_RAW}) << where;
        continue;
      }
    }
    if (call.nr == SYS_seccomp && (call.args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) {
      ASSERT_EQ(kind_of(after), strictest(kind_of(before), SECCOMP_RET_ERRNO)) << where;
      continue;
    }
    ASSERT_EQ(kind_of(after), kind_of(before)) << where;
  }
  EXPECT_GT(heard, 0U) << what;
}

TEST(SeccompWatch, EngineFiltersAllowNothingMore) {
  for (const std::string& path : spec_paths()) {
    const Filter filter = filter_of_spec(path, false);
    if (filter.rules.empty()) continue;
    expect_nothing_more_allowed(filter, false, path);
    expect_nothing_more_allowed(filter, true, path);
  }
}

TEST(SeccompWatch, StrictFiltersAllowNothingMore) {
  Filter filter = denying_by_default();
  filter.rules.push_back({{"ptrace", "mount"}, SECCOMP_RET_KILL_PROCESS, {}});
  filter.rules.push_back({{"setns"}, SECCOMP_RET_TRAP, {{1, Compare::kEqual, 5, 0}}});
  filter.rules.push_back({{"socket"}, SECCOMP_RET_KILL_THREAD, {{0, Compare::kEqual, AF_PACKET, 0}}});
  filter.rules.push_back({{"bpf"}, SECCOMP_RET_ERRNO | ENOSYS, {}});
  filter.rules.push_back({{"unshare"}, kAllow, {{0, Compare::kNotEqual, 0x20000, 0}}});
  expect_nothing_more_allowed(filter, false, "strict rules");
  const Program left = *compile(filter, &watching().watch);
  for (const long number : {SYS_ptrace, SYS_mount}) {
    EXPECT_EQ(*evaluate(left, native_call(number)), uint32_t{SECCOMP_RET_KILL_PROCESS});
  }
}

TEST(SeccompWatch, WhatIsDeniedByBothIsHeardOf) {
  const Filter filter = denying_by_default();
  const Program left = *compile(filter, &watching().watch);
  for (const seccomp_data& call :
       {native_call(SYS_mount), native_call(SYS_fsopen), native_call(SYS_setns), native_call(SYS_ptrace),
        native_call(SYS_bpf), native_call(SYS_keyctl), native_call(SYS_init_module),
        native_call(SYS_userfaultfd), native_call(SYS_io_uring_setup), native_call(SYS_open_by_handle_at),
        native_call(SYS_unshare, CLONE_NEWUSER), native_call(SYS_clone, CLONE_NEWNS),
        native_call(SYS_socket, AF_PACKET, SOCK_RAW), native_call(SYS_socket, AF_ALG, SOCK_SEQPACKET),
        native_call(SYS_socket, AF_INET, SOCK_RAW, 1),
        native_call(SYS_socket, AF_INET6, SOCK_RAW | SOCK_CLOEXEC), native_call(SYS_ioctl, 0, 0x5412),
        native_call(SYS_reboot),
        // Beyond the last call the filter knows, where it answers ENOSYS.
        native_call(SYS_mount_setattr)}) {
    const uint32_t answer = strictest(*evaluate(watching().program, call), *evaluate(left, call));
    EXPECT_EQ(answer, uint32_t{SECCOMP_RET_USER_NOTIF}) << call.nr;
  }
}

TEST(SeccompWatch, RawSocketsAreAllowedToWhoMayHaveThem) {
  const seccomp_data raw = native_call(SYS_socket, AF_INET, SOCK_RAW, 1);
  EXPECT_EQ(*evaluate(watching(true).program, raw), kAllow);
  EXPECT_EQ(*evaluate(watching(false).program, raw), uint32_t{SECCOMP_RET_USER_NOTIF});
  const WatchedCall* watched = find_watched(watching(false).watch, SYS_socket);
  ASSERT_NE(watched, nullptr);
  EXPECT_EQ(seccomp::evaluate(watched->verdict, arguments_of(raw)), SECCOMP_RET_ERRNO | uint32_t{EPERM});
  EXPECT_EQ(seccomp::evaluate(watched->verdict, arguments_of(native_call(SYS_socket, AF_PACKET))),
            SECCOMP_RET_ERRNO | uint32_t{EAFNOSUPPORT});
  EXPECT_EQ(seccomp::evaluate(watched->verdict, arguments_of(native_call(SYS_socket, AF_INET, SOCK_STREAM))),
            kAllow);
}

TEST(SeccompWatch, CallsAreInOrderAndFound) {
  EXPECT_TRUE(std::is_sorted(watching().watch.begin(), watching().watch.end(),
                             [](const WatchedCall& a, const WatchedCall& b) { return a.number < b.number; }));
  EXPECT_EQ(find_watched(watching().watch, SYS_read), nullptr);
  EXPECT_EQ(find_watched(watching().watch, SYS_clone3), nullptr);  // libc tries it at every thread
  EXPECT_EQ(watching_profile("no such profile", false), nullptr);
}

TEST(SeccompWatch, NobodyTakesTheListenersPlace) {
  const Program* plain = builtin_profile("default");
  for (const bool raw_sockets : {false, true}) {
    const WatchingProfile& all = watching(raw_sockets);
    const std::string_view one[] = {"mounts"};
    for (const WatchingProfile& profile : {all, listening_for(all, one)}) {
      for (const uint64_t operation : {0, 1, 2, 3, 99}) {
        for (const uint64_t flags : {0x8UL, 0x9UL, 0x28UL, 0xffffffffUL, 0x100000008UL}) {
          const seccomp_data call = native_call(SYS_seccomp, operation, flags);
          EXPECT_EQ(*evaluate(profile.program, call), SECCOMP_RET_ERRNO | uint32_t{EBUSY}) << flags;
          EXPECT_EQ(*evaluate(*plain, call), kAllow);
        }
        for (const uint64_t flags : {0x0UL, 0x1UL, 0x4UL, 0x30UL, 0x800000000UL}) {
          EXPECT_EQ(*evaluate(profile.program, native_call(SYS_seccomp, operation, flags)), kAllow) << flags;
        }
      }
    }
  }
}

// And is left to nobody: neither heard of nor excepted from the other filter.
TEST(SeccompWatch, WhatNobodyListensForIsDeniedByTheFilterItself) {
  const Filter filter = denying_by_default();
  for (const bool raw_sockets : {false, true}) {
    const WatchingProfile& all = *watching_profile("default", raw_sockets);
    for (const std::string_view kind : all.kinds) {
      const std::string_view one[] = {kind};
      const WatchingProfile profile = listening_for(all, one);
      const Program plain = *compile(filter);
      const Program left = *compile(filter, &profile.watch);
      size_t heard = 0;
      for (const seccomp_data& call : calls_for(filter)) {
        const WatchedCall* watched = find_watched(all.watch, static_cast<uint32_t>(call.nr));
        const uint32_t everything = *evaluate(watching(raw_sockets).program, call);
        uint32_t expected = everything;
        if (kind_of(everything) == SECCOMP_RET_USER_NOTIF && watched->kind != kind) {
          expected = seccomp::evaluate(watched->verdict, arguments_of(call));
          EXPECT_EQ(kind_of(*evaluate(left, call)), kind_of(*evaluate(plain, call))) << call.nr;
        }
        heard += expected == SECCOMP_RET_USER_NOTIF ? 1 : 0;
        ASSERT_EQ(*evaluate(profile.program, call), expected) << kind << " " << call.nr;
      }
      EXPECT_GT(heard, 0U) << kind;
    }
    const WatchingProfile none = listening_for(all, {});
    EXPECT_TRUE(none.watch.empty());
    for (const sock_filter& now : none.program) {
      EXPECT_FALSE(now.code == (BPF_RET | BPF_K) && kind_of(now.k) == SECCOMP_RET_USER_NOTIF);
    }
  }
}

TEST(SeccompWatch, TheCacheTellsFiltersApartByWhatIsWatched) {
  const Filter filter = denying_by_default();
  EXPECT_NE(cache_key(filter), cache_key(filter, &watching(false).watch));
  EXPECT_NE(cache_key(filter, &watching(true).watch), cache_key(filter, &watching(false).watch));
}

}  // namespace
}  // namespace gabion::kernel::seccomp::test
