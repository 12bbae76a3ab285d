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

namespace {

// A descriptor of the process that mounted it, and another file to anyone else.
Status require_lasting_name(const std::string& layer) {
  if (!path_is_within(layer, "/proc")) return ok_status();
  return make_error(Code::kUnsupported, concat({"the root filesystem is an overlay of ", layer,
                                                ", a name only its maker can follow"}));
}

}  // namespace

Result<OverlayLayout> overlay_layout(int fd, const std::string& relative_base) {
  const uint64_t number = TRY_AT(mount_id(fd), "root filesystem");
  const bool whole = TRY_AT(is_mount_root(fd), "root filesystem");
  const std::string id = std::to_string(number);
  const std::string table = TRY(read_mountinfo());
  for (std::string_view line : split(table, '\n')) {
    const std::optional<MountLine> mount = parse_mount_line(line);
    if (!mount || mount->id != id) continue;
    if (!whole || mount->root != "/") {
      // The layers are those of the whole overlay: the container would get all of it for its root.
      return make_error(
          Code::kUnsupported,
          "the root filesystem is a directory within an overlay mount, which cannot be idmapped: "
          "put it on another file system (ext4, xfs, btrfs)");
    }
    OverlayLayout layout = TRY(parse_overlay_options(mount->options));
    auto absolute = [&](std::string& path) {
      if (!path.empty() && path.front() != '/') path = join_path(relative_base, path);
    };
    for (std::string& lower : layout.lower) absolute(lower);
    absolute(layout.upper);
    absolute(layout.work);
    for (const std::string& lower : layout.lower) TRY(require_lasting_name(lower));
    TRY(require_lasting_name(layout.upper));
    return layout;
  }
  return make_error(Code::kInternal, "the root filesystem's overlay is not in /proc/self/mountinfo");
}

namespace {

// A copy is in the peer group of the engine's own mount, if that is a shared one (Docker's is): what were
// mounted on the copy would appear on the engine's layer, for every container to come.
Result<Fd> private_copy(int directory) {
  Fd tree = TRY(clone_tree(directory, false));
  MountAttributes attributes;
  attributes.propagation = MS_PRIVATE;
  TRY(set_attributes(tree.get(), attributes));
  return tree;
}

}  // namespace

Result<OverlayLayers> open_layers(const OverlayLayout& layout) {
  OverlayLayers layers;
  for (const std::string& lower : layout.lower) {
    const Fd directory = TRY_AT(open_path(lower, O_PATH | O_DIRECTORY), "overlay layer");
    Fd tree = TRY_AT(private_copy(directory.get()), "overlay layer");
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
  layers.common = TRY_AT(private_copy(parent.get()), "overlay upper");
  layers.upper_name = layout.upper.substr(upper_slash + 1);
  layers.work_name = layout.work.substr(work_slash + 1);
  return layers;
}

namespace {

// How layers are named to overlayfs: a descriptor's link leads to its very mount, wherever that is attached
// and whatever covers it. Needs the host's procfs at /proc.
std::string by_descriptor(int fd) { return concat({"/proc/self/fd/", std::to_string(fd)}); }

Status mount_overlay(const std::string& options, int target, unsigned long flags) {
  if (options.size() >= static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
    return make_error(Code::kUnsupported,
                      concat({"overlay: ", std::to_string(options.size()),
                              " bytes of layer names; the kernel takes one page of them"}));
  }
  if (::mount("gabion", by_descriptor(target).c_str(), "overlay", flags, options.c_str()) != 0) {
    return sys_error("create overlay");
  }
  return ok_status();
}

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

// Where layers are attached, one on top of the other: before Linux 6.15 overlayfs takes no detached mount.
class Stage {
 public:
  static Result<Stage> open(const std::string& directory) {
    Stage stage;
    stage.directory_ = directory;
    stage.point_ = TRY_AT(open_path(directory, O_PATH | O_DIRECTORY), "overlay stage");
    return stage;
  }

  // Shifts the layers and attaches them: their names, behind `first` where that is one already.
  Result<std::string> add_lowers(const std::vector<Fd>& layers, int user_namespace, std::string first = {}) {
    std::string names = std::move(first);
    for (const Fd& layer : layers) {
      TRY(add(layer, user_namespace));
      names += concat({names.empty() ? "" : ":", by_descriptor(layer.get())});
    }
    return names;
  }

  Status add(const Fd& layer, int user_namespace) {
    TRY_AT(idmap(layer.get(), user_namespace, false), "overlay layer");
    return attach(layer.get(), point_.get());
  }

  // A detached copy of the overlay; the one at the stage leaves with the host's tree.
  Result<Fd> create(const std::string& options, unsigned long flags) {
    TRY(mount_overlay(options, point_.get(), flags));
    const Fd merged = TRY(open_path(directory_, O_PATH | O_DIRECTORY));
    return clone_tree(merged.get(), false);
  }

 private:
  std::string directory_;
  Fd point_;
};

}  // namespace

Status mount_overlay_view(const OverlayLayout& layout, int target) {
  std::vector<std::string> layers = layout.lower;
  if (!layout.upper.empty()) layers.insert(layers.begin(), layout.upper);
  std::vector<Fd> opened;
  std::string names;
  for (const std::string& layer : layers) {
    opened.push_back(TRY_AT(open_path(layer, O_PATH | O_DIRECTORY), "overlay layer"));
    names += concat({names.empty() ? "" : ":", by_descriptor(opened.back().get())});
  }
  return mount_overlay(concat({"lowerdir=", names}), target, MS_RDONLY);
}

Result<Fd> build_read_only_overlay(OverlayLayers layers, int user_namespace, const std::string& stage) {
  Stage attached = TRY(Stage::open(stage));
  std::string top;
  Fd upper;
  if (layers.common.valid()) {
    TRY(attached.add(layers.common, user_namespace));
    upper = TRY(open_at(layers.common.get(), layers.upper_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    top = by_descriptor(upper.get());
  } else if (layers.lower.size() == 1) {
    // overlayfs refuses a single read-only layer (EINVAL); it would add nothing to the layer itself.
    TRY_AT(idmap(layers.lower.front().get(), user_namespace, false), "overlay layer");
    return std::move(layers.lower.front());
  }
  const std::string lower = TRY(attached.add_lowers(layers.lower, user_namespace, std::move(top)));
  return attached.create(concat({"lowerdir=", lower}), MS_RDONLY);
}

Result<Fd> build_writable_overlay(OverlayLayers layers, int user_namespace, unsigned root_uid,
                                  unsigned root_gid, const std::string& stage) {
  if (!layers.common.valid()) {
    return make_error(Code::kInvalid,
                      "a writable root was asked for, but the engine's overlay has no upper layer");
  }
  Stage attached = TRY(Stage::open(stage));
  TRY(attached.add(layers.common, user_namespace));
  const Fd upper = TRY(open_at(layers.common.get(), layers.upper_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const Fd work = TRY(open_at(layers.common.get(), layers.work_name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const std::string lower = TRY(attached.add_lowers(layers.lower, user_namespace));
  const FilesystemIds ids(root_uid, root_gid);
  TRY(raise_all_permitted());
  return attached.create(concat({"lowerdir=", lower, ",upperdir=", by_descriptor(upper.get()),
                                 ",workdir=", by_descriptor(work.get())}),
                         0);
}

Status mount_volatile_overlay(int lower, int upper, int work) {
  return mount_overlay(concat({"lowerdir=", by_descriptor(lower), ",upperdir=", by_descriptor(upper),
                               ",workdir=", by_descriptor(work)}),
                       lower, MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

}  // namespace gabion::kernel
