#include "kernel/net.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <utility>

#include "base/path.h"

namespace gabion::kernel {

Status bring_loopback_up() {
  // Any socket will do (netdevice(7)); one of AF_UNIX needs no module and no memory of the network's.
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error("loopback: socket");
  ifreq request{.ifr_ifrn = {"lo"}, .ifr_ifru = {}};
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return sys_error("loopback: read flags");
  if ((request.ifr_flags & IFF_UP) != 0) return ok_status();
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return sys_error("loopback: set link up");
  return ok_status();
}

namespace {

// Of the calling thread alone: the others stay where they are.
Result<Fd> make_network() {
  if (::unshare(CLONE_NEWNET) != 0) return sys_error("new network namespace");
  TRY(bring_loopback_up());
  return open_path("/proc/thread-self/ns/net", O_RDONLY);
}

}  // namespace

void* NetworkMaker::make(void* work) {
  static_cast<Work*>(work)->made = make_network();
  return nullptr;
}

Result<NetworkMaker> NetworkMaker::start() {
  NetworkMaker maker;
  auto work = std::make_unique<Work>();
  const int error = ::pthread_create(&work->thread, nullptr, make, work.get());
  if (error != 0) return sys_error("start a thread for the network namespace", error);
  maker.work_ = std::move(work);
  return maker;
}

Result<Fd> NetworkMaker::take() {
  const std::unique_ptr<Work> work = std::move(work_);
  (void)::pthread_join(work->thread, nullptr);
  return std::move(work->made);
}

NetworkMaker::~NetworkMaker() {
  if (work_ != nullptr) (void)::pthread_join(work_->thread, nullptr);
}

}  // namespace gabion::kernel
