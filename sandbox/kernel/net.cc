#include "kernel/net.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <memory>

namespace gabion::kernel {

Status bring_loopback_up() {
  struct Close {
    void operator()(mnl_socket* socket) const { (void)::mnl_socket_close(socket); }
  };
  const std::unique_ptr<mnl_socket, Close> socket(::mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (socket == nullptr) return sys_error("loopback: netlink socket");
  if (::mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return sys_error("loopback: netlink bind");

  alignas(nlmsghdr) char buffer[8192];
  nlmsghdr* header = ::mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = RTM_NEWLINK;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  header->nlmsg_seq = 1;
  auto* link = static_cast<ifinfomsg*>(::mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg)));
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = 1;  // the kernel makes lo first in every network namespace (LOOPBACK_IFINDEX)
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;

  if (::mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0) return sys_error("loopback: send");
  const ssize_t size = ::mnl_socket_recvfrom(socket.get(), buffer, sizeof(buffer));
  if (size < 0) return sys_error("loopback: receive");
  if (::mnl_cb_run(buffer, static_cast<size_t>(size), 1, ::mnl_socket_get_portid(socket.get()), nullptr,
                   nullptr) < 0) {
    return sys_error("loopback: set link up");
  }
  return ok_status();
}

}  // namespace gabion::kernel
