// Every message the shim is sent: the first byte says which, the rest is it. What can be read says the same
// after it was written and read again.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shim/containerd/proto/message.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/proto/task.h"
#include "shim/containerd/ttrpc/frame.h"

using namespace gabion;

namespace {

template <typename Message>
void check(std::string_view bytes) {
  const Result<Message> read = proto::decode<Message>(bytes);
  if (!read.ok()) return;
  const std::string written = proto::encode(*read);
  const Result<Message> again = proto::decode<Message>(written);
  if (!again.ok() || proto::encode(*again) != written) std::abort();
}

constexpr std::array kChecks{
    check<proto::CreateTaskRequest>, check<proto::ExecProcessRequest>, check<proto::ProcessRequest>,
    check<proto::KillRequest>,       check<proto::ResizePtyRequest>,   check<proto::CloseIORequest>,
    check<proto::UpdateTaskRequest>, check<proto::ShutdownRequest>,    check<proto::BootstrapParams>,
    check<proto::RuncOptions>,       check<proto::RuntimeOptions>,     check<proto::Any>,
    check<ttrpc::Request>,           check<ttrpc::Response>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kChecks[data[0] % kChecks.size()](std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
