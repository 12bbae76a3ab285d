// ttrpc's frames: whatever arrives, every frame lies within what has arrived, and reading comes to an end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "shim/containerd/proto/message.h"
#include "shim/containerd/ttrpc/frame.h"

using namespace gabion;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  while (true) {
    size_t consumed = 0;
    const auto frame = ttrpc::parse_frame(bytes, consumed);
    if (!frame.ok() || !frame->has_value()) return 0;
    require(consumed >= ttrpc::kHeaderBytes && consumed <= bytes.size());
    const std::string_view message = (**frame).message;
    require(message.size() == consumed - ttrpc::kHeaderBytes && message.size() <= ttrpc::kMaxMessageBytes);
    require(message.empty() || (message.data() >= bytes.data() && message.end() <= bytes.end()));
    (void)proto::decode<ttrpc::Request>(message);
    bytes.remove_prefix(consumed);
  }
}
