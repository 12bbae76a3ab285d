// The name of the file system behind a descriptor.
#pragma once

#include <string>

namespace gabion::container {

// "ext4" (also ext2 and ext3, which share its number), "proc", "tmpfs", "devtmpfs", ...; "" unknown.
std::string filesystem_name(int fd);

}  // namespace gabion::container
