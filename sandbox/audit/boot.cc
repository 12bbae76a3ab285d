#include "audit/boot.h"

#include "base/file.h"
#include "base/text.h"

namespace gabion::audit {

const std::string& boot_id() {
  static const std::string kId = [] {
    const Result<std::string> text = read_file("/proc/sys/kernel/random/boot_id", 64);
    return text.ok() ? std::string(trim(text.value())) : std::string();
  }();
  return kId;
}

}  // namespace gabion::audit
