// A network namespace made ahead; libmnl says what the kernel thinks of the links in it.
#include "kernel/net.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>

#include "base/path.h"

namespace gabion::kernel::test {
namespace {

using Links = std::map<std::string, unsigned>;  // name → IFF_* flags

int note_name(const nlattr* attribute, void* name) {
  if (::mnl_attr_get_type(attribute) == IFLA_IFNAME)
    *static_cast<std::string*>(name) = ::mnl_attr_get_str(attribute);
  return MNL_CB_OK;
}

int note_link(const nlmsghdr* message, void* links) {
  const auto* info = static_cast<const ifinfomsg*>(::mnl_nlmsg_get_payload(message));
  std::string name;
  (void)::mnl_attr_parse(message, sizeof(*info), note_name, &name);
  (*static_cast<Links*>(links))[name] = info->ifi_flags;
  return MNL_CB_OK;
}

// The links of the caller's network namespace.
Links links_here() {
  Links links;
  mnl_socket* socket = ::mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr || ::mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return links;
  alignas(nlmsghdr) char buffer[16384];
  nlmsghdr* request = ::mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_GETLINK;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  ::mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg));
  (void)::mnl_socket_sendto(socket, request, request->nlmsg_len);
  int more = MNL_CB_OK;
  while (more > MNL_CB_STOP) {
    const ssize_t size = ::mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
    if (size <= 0) break;
    more = ::mnl_cb_run(buffer, static_cast<size_t>(size), 0, ::mnl_socket_get_portid(socket), note_link,
                        &links);
  }
  (void)::mnl_socket_close(socket);
  return links;
}

ino_t namespace_of(const char* link) {
  struct stat info {};
  return ::stat(link, &info) == 0 ? info.st_ino : 0;
}

class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(NetworkTest, MadeAheadHasLoopbackAloneAndItIsUp) {
  const ino_t before = namespace_of("/proc/self/ns/net");
  Result<NetworkMaker> maker = NetworkMaker::start();
  ASSERT_TRUE(maker.ok()) << maker.error().message();
  EXPECT_TRUE(maker->started());
  const Result<Fd> made = maker->take();
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_FALSE(maker->started());
  EXPECT_EQ(::ioctl(made->get(), NS_GET_NSTYPE), CLONE_NEWNET);
  EXPECT_EQ(namespace_of("/proc/self/ns/net"), before) << "the caller stays where it is";

  struct stat info {};
  ASSERT_EQ(::fstat(made->get(), &info), 0);
  EXPECT_NE(info.st_ino, before);

  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setns(made->get(), CLONE_NEWNET) != 0) ::_exit(1);
    const Links links = links_here();
    if (links.size() != 1 || !links.contains("lo")) ::_exit(2);
    ::_exit((links.at("lo") & IFF_UP) != 0 ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0) << "1: cannot join, 2: not loopback alone, 3: it is down";
}

// unshare(2) of a user namespace refuses a process of several threads. pthread_join(3) returns when the
// thread has left its stack, which is a moment before the kernel has forgotten it.
TEST_F(NetworkTest, TheThreadIsGoneAfterwards) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    Result<NetworkMaker> maker = NetworkMaker::start();
    if (!maker.ok() || !maker->take().ok()) ::_exit(1);
    for (int i = 0; i < 2000; ++i) {
      if (::unshare(CLONE_NEWUSER) == 0) ::_exit(0);
      if (errno != EINVAL) ::_exit(2);
      (void)::usleep(1000);
    }
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(NetworkTest, NotTakenItLeavesNothing) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    {
      if (!NetworkMaker::start().ok()) ::_exit(1);
    }
    struct stat one {};
    // No descriptor of a namespace is left among the first few.
    for (int fd = 3; fd < 64; ++fd) {
      if (::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET && ::fstat(fd, &one) == 0) ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(NetworkTest, LoopbackComesUpInANamespaceOfAnothersMaking) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
    if ((links_here().at("lo") & IFF_UP) != 0) ::_exit(2);
    for (int again = 0; again < 2; ++again) {
      if (!bring_loopback_up().ok()) ::_exit(3);
      if ((links_here().at("lo") & IFF_UP) == 0) ::_exit(4);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace gabion::kernel::test
