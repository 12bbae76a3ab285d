#include "kernel/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {

namespace {

// A device that was free may be another's by the time it is opened.
constexpr int kAttempts = 100;

}  // namespace

Result<LoopDevice> attach_loop(const std::string& file, bool read_only) {
  const int access = read_only ? O_RDONLY : O_RDWR;
  const Fd backing = TRY_AT(open_path(file, access), file);
  const Fd control = TRY_AT(open_path("/dev/loop-control", O_RDWR), "/dev/loop-control");
  // One call (Linux 5.8): a device never has the file without the flag that takes it off again.
  loop_config config{};
  config.fd = static_cast<uint32_t>(backing.get());
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? static_cast<uint32_t>(LO_FLAGS_READ_ONLY) : 0U);
  std::memcpy(config.info.lo_file_name, file.data(), std::min(file.size(), size_t{LO_NAME_SIZE - 1}));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return sys_error("LOOP_CTL_GET_FREE");
    LoopDevice device{.fd = {}, .path = concat({"/dev/loop", std::to_string(number)})};
    device.fd = TRY_AT(open_path(device.path, access), device.path);
    if (::ioctl(device.fd.get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) return sys_error(concat({device.path, ": LOOP_CONFIGURE of ", file}));
  }
  return make_error(Code::kSystem, concat({file, ": others were faster to every free loop device"}));
}

}  // namespace gabion::kernel
