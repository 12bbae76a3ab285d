#include "kernel/mount_options.h"

#include <sys/mount.h>

#include <cstdint>
#include <string_view>

namespace gabion::kernel {

namespace {

struct AttributeWord {
  std::string_view word;
  uint64_t flag;
  bool clears;
};

// config.md, "Linux mount options". Every word also exists with an "r" before it (recursive).
constexpr AttributeWord kAttributeWords[] = {
    {"ro", MOUNT_ATTR_RDONLY, false},
    {"rw", MOUNT_ATTR_RDONLY, true},
    {"nosuid", MOUNT_ATTR_NOSUID, false},
    {"suid", MOUNT_ATTR_NOSUID, true},
    {"nodev", MOUNT_ATTR_NODEV, false},
    {"dev", MOUNT_ATTR_NODEV, true},
    {"noexec", MOUNT_ATTR_NOEXEC, false},
    {"exec", MOUNT_ATTR_NOEXEC, true},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, false},
    {"diratime", MOUNT_ATTR_NODIRATIME, true},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, false},
    {"symfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
};

// The access-time words choose one value of a field; "relatime" is the value 0.
struct AtimeWord {
  std::string_view word;
  uint64_t value;
};
constexpr AtimeWord kAtimeWords[] = {
    {"noatime", MOUNT_ATTR_NOATIME},        {"strictatime", MOUNT_ATTR_STRICTATIME},
    {"relatime", MOUNT_ATTR_RELATIME},      {"atime", MOUNT_ATTR_RELATIME},
    {"norelatime", MOUNT_ATTR_STRICTATIME}, {"nostrictatime", MOUNT_ATTR_RELATIME},
};

struct PropagationWord {
  std::string_view word;
  uint64_t value;
};
constexpr PropagationWord kPropagationWords[] = {
    {"private", MS_PRIVATE},
    {"shared", MS_SHARED},
    {"slave", MS_SLAVE},
    {"unbindable", MS_UNBINDABLE},
};

bool apply_attribute(MountAttributes& attributes, std::string_view word) {
  for (const AttributeWord& known : kAttributeWords) {
    if (known.word != word) continue;
    (known.clears ? attributes.clear : attributes.set) |= known.flag;
    (known.clears ? attributes.set : attributes.clear) &= ~known.flag;
    return true;
  }
  for (const AtimeWord& known : kAtimeWords) {
    if (known.word != word) continue;
    attributes.set = (attributes.set & ~static_cast<uint64_t>(MOUNT_ATTR__ATIME)) | known.value;
    attributes.clear |= MOUNT_ATTR__ATIME;
    return true;
  }
  return false;
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions parsed;
  parsed.recursive.recursive = true;
  for (const std::string& text : options) {
    const std::string_view word = text;
    if (word == "bind") {
      parsed.bind = true;
    } else if (word == "rbind") {
      parsed.bind = parsed.recursive_bind = true;
    } else if (word == "tmpcopyup") {
      parsed.copy_up = true;
    } else if (word == "idmap") {
      parsed.idmap = true;
    } else if (word == "ridmap") {
      parsed.idmap = parsed.recursive_idmap = true;
    } else if (word == "defaults" || word == "auto" || word == "noauto" || word == "user" ||
               word == "nouser" || word == "_netdev" || word == "nofail" || word == "silent" ||
               word == "loud") {
      // fstab's words and no-ops of mount(8): nothing for the kernel.
    } else if (!apply_attribute(parsed.attributes, word) &&
               !(word.size() > 1 && word[0] == 'r' && apply_attribute(parsed.recursive, word.substr(1)))) {
      bool propagation = false;
      for (const PropagationWord& known : kPropagationWords) {
        if (word == known.word || (word[0] == 'r' && word.substr(1) == known.word)) {
          MountAttributes& target = word == known.word ? parsed.attributes : parsed.recursive;
          target.propagation = known.value;
          propagation = true;
        }
      }
      if (!propagation && !word.empty()) parsed.data.push_back(filesystem_option(word));
    }
  }
  return parsed;
}

}  // namespace gabion::kernel
