// What a process can really do, found out by trying it from where the process is. Nothing is changed by it:
// what would have an effect is tried in a child that dies, or with arguments that cannot work, or never
// reaches the kernel (calls.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gabion::probe {

// What is said of a question that could not be put: nobody knows that it is closed, so it counts as open.
inline constexpr std::string_view kNotMeasured = "not measured";

// One question. Every report has the same ones in the same order, whatever could be measured, so that two
// reports compare line by line.
struct Check {
  std::string_view group;
  std::string_view name;
  int weight = 0;      // what an attacker gains where it is open: 1 a hint, 10 the host (docs/probe.md)
  bool open = false;   // the answer an attacker hopes for
  std::string detail;  // what was seen; may be empty
};
using Checks = std::vector<Check>;

// How every number of a calling convention is answered.
struct CallTable {
  std::string_view convention;  // "native", "i386", "x32"
  struct Row {
    uint32_t number = 0;
    std::string_view name;  // "" for a number that has none
    bool reached = false;   // past every seccomp filter
    int error = 0;          // errno of a filter that refused it; 0: it killed
  };
  std::vector<Row> rows;
};

struct Report {
  Checks checks;
  std::vector<CallTable> calls;  // none where they could not be tried
  std::string calls_unmeasured;  // why not; "" they could
};

Report probe_everything();

// Each adds its checks.
void probe_identity(Checks& checks);    // ids, capabilities, no_new_privs
void probe_namespaces(Checks& checks);  // the host's, and new ones
void probe_mounts(Checks& checks);      // what the mount API lets it do
void probe_calls(Report& report);       // every system call, and some by their arguments
void probe_sockets(Checks& checks);     // families and netlink protocols
void probe_execution(Checks& checks);   // what is writable and executable
void probe_files(Checks& checks);       // secrets, knobs, devices, descriptors

}  // namespace gabion::probe
