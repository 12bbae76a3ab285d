#include "shim/containerd/events.h"

#include <ctime>
#include <utility>

#include "base/text.h"

namespace gabion::shim {

proto::Timestamp now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME, &time);
  return {.seconds = time.tv_sec, .nanos = static_cast<int32_t>(time.tv_nsec)};
}

Events::Events(Loop& loop, const std::string& address, std::string name_space)
    : name_space_(std::move(name_space)) {
  if (address.empty()) return;
  client_ =
      std::make_unique<ttrpc::Client>(loop, address, "containerd.services.events.ttrpc.v1.Events", "Forward");
}

void Events::send(const char* topic, const char* type, std::string event) {
  if (client_ == nullptr) return;
  proto::ForwardRequest request;
  request.envelope.timestamp = now();
  request.envelope.name_space = name_space_;
  request.envelope.topic = topic;
  request.envelope.event = {.type_url = concat({"containerd.events.", type}), .value = std::move(event)};
  client_->deliver(proto::encode(request));
}

}  // namespace gabion::shim
