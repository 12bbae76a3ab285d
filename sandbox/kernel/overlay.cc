#include "kernel/overlay.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/capabilities.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"

namespace gabion::kernel {

namespace {

// Splits at `separator`, a backslash protecting the next character, and removes those backslashes.
std::vector<std::string> split_escaped(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      parts.back() += text[++i];
    } else if (text[i] == separator) {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

// The options are joined by commas; a comma inside a path is written "\,", so the split must leave
// other backslashes for the split at ":".
std::vector<std::string> split_options(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      if (text[i + 1] != ',') parts.back() += text[i];
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

}  // namespace

Result<OverlayLayout> parse_overlay_options(std::string_view options) {
  OverlayLayout layout;
  for (const std::string& option : split_options(unescape_mount_field(options))) {
    const FilesystemOption pair = filesystem_option(option);
    if (pair.key == "lowerdir") {
      layout.lower = split_escaped(pair.value, ':');
    } else if (pair.key == "lowerdir+") {
      layout.lower.push_back(split_escaped(pair.value, '\0').front());
    } else if (pair.key == "upperdir") {
      layout.upper = split_escaped(pair.value, '\0').front();
    } else if (pair.key == "workdir") {
      layout.work = split_escaped(pair.value, '\0').front();
    } else if (pair.key == "datadir+") {
      return make_error(Code::kUnsupported, "the root filesystem is an overlay with data-only layers");
    }
  }
  for (const std::string& lower : layout.lower) {
    if (lower.empty()) {
      return make_error(Code::kUnsupported, "the root filesystem is an overlay with data-only layers");
    }
  }
  if (layout.lower.empty()) return make_error(Code::kInvalid, "overlay without lower directories");
  return layout;
}

Result<OverlayLayout> overlay_layout(int fd, const std::string& relative_base) {
  const uint64_t number = TRY_AT(mount_id(fd), "root filesystem");
  const std::string id = std::to_string(number);
  const std::string table = TRY(read_mountinfo());
  for (std::string_view line : split(table, '\n')) {
    const std::optional<MountLine> mount = parse_mount_line(line);
    if (!mount || mount->id != id) continue;
    OverlayLayout layout = TRY(parse_overlay_options(mount->options));
    auto absolute = [&](std::string& path) {
      if (!path.empty() && path.front() != '/') path = join_path(relative_base, path);
    };
    for (std::string& lower : layout.lower) absolute(lower);
    absolute(layout.upper);
    absolute(layout.work);
    return layout;
  }
  return make_error(Code::kInternal, "the root filesystem's overlay is not in /proc/self/mountinfo");
}

Result<OverlayLayers> open_layers(const OverlayLayout& layout) {
  OverlayLayers layers;
  for (const std::string& lower : layout.lower) {
    const Fd directory = TRY_AT(open_path(lower, O_PATH | O_DIRECTORY), "overlay layer");
    Fd tree = TRY_AT(clone_tree(directory.get(), false), "overlay layer");
    layers.lower.push_back(std::move(tree));
  }
  if (layout.upper.empty()) return layers;
  const size_t upper_slash = layout.upper.rfind('/');
  const size_t work_slash = layout.work.rfind('/');
  if (upper_slash == std::string::npos || upper_slash == 0 ||
      layout.upper.substr(0, upper_slash) != layout.work.substr(0, work_slash)) {
    return make_error(Code::kUnsupported,
                      concat({"overlay: the upper directory ", layout.upper, " and the work directory ",
                              layout.work, " must share their parent directory to be idmapped together"}));
  }
  const Fd parent =
      TRY_AT(open_path(layout.upper.substr(0, upper_slash), O_PATH | O_DIRECTORY), "overlay upper");
  layers.common = TRY_AT(clone_tree(parent.get(), false), "overlay upper");
  layers.upper_name = layout.upper.substr(upper_slash + 1);
  layers.work_name = layout.work.substr(work_slash + 1);
  return layers;
}

namespace {

// An overlay context to which layers are added by descriptor (Linux 6.13; detached ones 6.15).
class OverlayContext {
 public:
  static Result<OverlayContext> open() {
    OverlayContext overlay;
    overlay.context_ = Fd(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!overlay.context_.valid()) return sys_error("overlay filesystem");
    if (::fsconfig(overlay.context_.get(), FSCONFIG_SET_STRING, "source", "gabion", 0) != 0) {
      return sys_error("overlay: source");
    }
    return overlay;
  }

  Status add(const char* key, int layer) {
    if (::fsconfig(context_.get(), FSCONFIG_SET_FD, key, nullptr, layer) == 0) return ok_status();
    return sys_error(concat({"overlay: ", key, " by descriptor (needs Linux 6.15)"}));
  }

  Result<Fd> create(uint64_t attributes) {
    if (::fsconfig(context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
      const int error_number = errno;
      char message[512];
      const ssize_t size = ::read(context_.get(), message, sizeof(message));
      const std::string_view text(message, size > 0 ? static_cast<size_t>(size) : 0);
      return sys_error(concat({"create overlay ", trim(text)}), error_number);
    }
    const int mount = ::fsmount(context_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
    if (mount < 0) return sys_error("fsmount overlay");
    return Fd(mount);
  }

 private:
  OverlayContext() = default;
  Fd context_;
};

// The filesystem ids overlayfs will act with, put back on every way out.
class FilesystemIds {
 public:
  FilesystemIds(unsigned uid, unsigned gid) {
    // setfsuid(2) reports no error; the group goes first while the capability is effective.
    (void)::setfsgid(gid);
    (void)::setfsuid(uid);
  }
  FilesystemIds(const FilesystemIds&) = delete;
  FilesystemIds& operator=(const FilesystemIds&) = delete;
  ~FilesystemIds() {
    (void)::setfsuid(0);
    (void)::setfsgid(0);
    (void)raise_all_permitted();
  }
};

}  // namespace

Result<Fd> build_read_only_overlay(const OverlayLayers& layers, int user_namespace) {
  OverlayContext overlay = TRY(OverlayContext::open());
  Fd upper;
  if (layers.common.valid()) {
    TRY_AT(idmap(layers.common.get(), user_namespace, false), "overlay upper");
    upper = TRY(open_at(layers.common.get(), layers.upper_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    TRY(overlay.add("lowerdir+", upper.get()));
  }
  for (const Fd& lower : layers.lower) {
    TRY_AT(idmap(lower.get(), user_namespace, false), "overlay layer");
    TRY(overlay.add("lowerdir+", lower.get()));
  }
  if (!upper.valid() && layers.lower.size() == 1) {
    // overlayfs refuses a single read-only layer (EINVAL); it would add nothing to the layer itself.
    return clone_tree(layers.lower.front().get(), false);
  }
  return overlay.create(MOUNT_ATTR_RDONLY);
}

Result<Fd> build_writable_overlay(const OverlayLayers& layers, int user_namespace, unsigned root_uid,
                                  unsigned root_gid) {
  if (!layers.common.valid()) {
    return make_error(Code::kInvalid,
                      "a writable root was asked for, but the engine's overlay has no upper layer");
  }
  OverlayContext overlay = TRY(OverlayContext::open());
  TRY_AT(idmap(layers.common.get(), user_namespace, false), "overlay upper");
  const Fd upper = TRY(open_at(layers.common.get(), layers.upper_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const Fd work = TRY(open_at(layers.common.get(), layers.work_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  for (const Fd& lower : layers.lower) {
    TRY_AT(idmap(lower.get(), user_namespace, false), "overlay layer");
    TRY(overlay.add("lowerdir+", lower.get()));
  }
  TRY(overlay.add("upperdir", upper.get()));
  TRY(overlay.add("workdir", work.get()));
  const FilesystemIds ids(root_uid, root_gid);
  TRY(raise_all_permitted());
  return overlay.create(0);
}

Result<Fd> build_volatile_overlay(int lower, int upper, int work) {
  OverlayContext overlay = TRY(OverlayContext::open());
  TRY(overlay.add("lowerdir+", lower));
  TRY(overlay.add("upperdir", upper));
  TRY(overlay.add("workdir", work));
  return overlay.create(0);
}

}  // namespace gabion::kernel
