// Two other readings of a filter to judge our compiler by: libseccomp driven as runc 1.1 drives it,
// and a direct interpretation of the rules written down in docs/seccomp.md.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/seccomp.h"

namespace gabion::kernel::seccomp::test {

// The program libseccomp exports, without runc's ENOSYS stub. `optimize` 1: a list, 2: a tree.
// nullopt: libseccomp refuses the rules (it cannot hold two actions for one condition).
std::optional<Program> libseccomp_program(const Filter& filter, int optimize);

// Answers from the rules themselves; `filter` must outlive it.
class Interpreter {
 public:
  explicit Interpreter(const Filter& filter);

  // What runc's ENOSYS stub answers before libseccomp's program is asked; nullopt: it lets the call
  // through.
  [[nodiscard]] std::optional<uint32_t> stub(const seccomp_data& call) const;
  // The action our documentation promises.
  [[nodiscard]] uint32_t action(const seccomp_data& call) const;

 private:
  struct Target {
    const Rule* rule = nullptr;
    size_t architecture = 0;
    uint32_t number = 0;
    int code = -1;  // of socketcall(2) or ipc(2)
  };

  [[nodiscard]] std::optional<size_t> architecture_of(const seccomp_data& call) const;

  const Filter& filter_;
  std::vector<Target> targets_;
  std::vector<uint32_t> last_;  // per architecture, 0: none named
};

// linux.seccomp of the config.json at `path`; a broken file ends the test program. Names libseccomp
// 2.5.4 does not know are left out when `known_only`, so that both know the same calls.
Filter filter_of_spec(const std::string& path, bool known_only);
std::vector<std::string> spec_paths();

// Calls worth asking about: every number up to beyond the last of every architecture, with argument
// values at and around those the rules compare.
std::vector<seccomp_data> interesting_calls(const Filter& filter, size_t values_per_number);

}  // namespace gabion::kernel::seccomp::test
