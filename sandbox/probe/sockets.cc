// Families and netlink protocols, by making sockets: most families load a module when first asked for.
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"
#include "base/text.h"
#include "probe/check.h"
#include "probe/child.h"

namespace gabion::probe {
namespace {

constexpr std::string_view kGroup = "sockets";

struct Family {
  int number;
  std::string_view name;
  int weight;
};

constexpr Family kFamilies[] = {
    {AF_PACKET, "raw frames (AF_PACKET)", 4},
    {AF_ALG, "kernel cryptography (AF_ALG)", 4},
    {AF_VSOCK, "the hypervisor (AF_VSOCK)", 3},
    {44, "express data path (AF_XDP)", 3},
};
// What programs need.
constexpr std::array kOrdinary = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
constexpr int kLastFamily = 46;
constexpr int kLastProtocol = 22;

// errno of the easiest kind that can be made, 0 for one that was.
int make(int family, int protocol, std::initializer_list<int> kinds) {
  int error = EAFNOSUPPORT;
  for (const int kind : kinds) {
    const Fd made(::socket(family, kind | SOCK_CLOEXEC, protocol));
    if (made.valid()) return 0;
    error = errno;
    if (says_nothing(error)) return error;
  }
  return error;
}

int make(int family) { return make(family, 0, {SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET, SOCK_RAW}); }

}  // namespace

void probe_sockets(Checks& checks) {
  std::string others;
  for (const Family& family : kFamilies) {
    checks.push_back(tried(kGroup, family.name, family.weight, make(family.number)));
  }
  for (int number = 1; number <= kLastFamily; ++number) {
    bool known = false;
    for (const Family& family : kFamilies) known = known || family.number == number;
    for (const int family : kOrdinary) known = known || family == number;
    if (!known) add_if_open(others, std::to_string(number), make(number));
  }
  checks.push_back({kGroup, "any other family", 3, !others.empty(), others});
  std::string protocols;
  for (int protocol = 1; protocol <= kLastProtocol; ++protocol) {
    add_if_open(protocols, std::to_string(protocol), make(AF_NETLINK, protocol, {SOCK_RAW}));
  }
  checks.push_back(
      {kGroup, "netlink beyond routing (netfilter, audit, xfrm)", 4, !protocols.empty(), protocols});
  checks.push_back(tried(kGroup, "raw IP packets", 2, make(AF_INET, 1, {SOCK_RAW})));
}

}  // namespace gabion::probe
