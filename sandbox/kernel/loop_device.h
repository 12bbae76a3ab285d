// A file as a block device, loop(4).
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

// The kernel takes the file off the device again when nobody has it open or mounted any more: while this is
// open, `path` is the file's, and nothing is left behind, whoever is killed when.
struct LoopDevice {
  Fd fd;
  std::string path;  // "/dev/loop3"
};

Result<LoopDevice> attach_loop(const std::string& file, bool read_only);

}  // namespace gabion::kernel
