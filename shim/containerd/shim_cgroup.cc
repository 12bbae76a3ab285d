#include "shim/containerd/shim_cgroup.h"

#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "kernel/cgroup.h"
#include "shim/containerd/proto/message.h"

namespace gabion::shim {

namespace {

std::string group_in(const proto::Any& options) {
  if (!options.type_url.ends_with("containerd.runc.v1.Options")) return "";
  const Result<proto::RuncOptions> decoded = proto::decode<proto::RuncOptions>(options.value);
  return decoded.ok() ? decoded->shim_cgroup : "";  // Create answers for what is broken
}

}  // namespace

std::string shim_cgroup(const std::optional<proto::BootstrapParams>& params, std::string_view input) {
  if (!params) {
    const Result<proto::Any> options = proto::decode<proto::Any>(input);
    return options.ok() ? group_in(*options) : "";
  }
  for (const proto::Extension& extension : params->extensions) {
    std::string group = group_in(extension.value);
    if (!group.empty()) return group;
  }
  return "";
}

Result<std::vector<Fd>> open_shim_cgroup(const std::string& path) {
  if (path[0] != '/') return make_error(Code::kInvalid, concat({"ShimCgroup ", path, ": must begin with /"}));
  kernel::CgroupLocation location = TRY_AT(kernel::Cgroup::locate(path, "shim"), "ShimCgroup");
  std::erase_if(location.directories,
                [](const auto& entry) { return ::access(entry.second.c_str(), F_OK) != 0; });
  if (location.directories.empty()) {
    return make_error(Code::kNotFound, concat({"ShimCgroup ", path, ": there is no such cgroup"}));
  }
  return kernel::Cgroup::open(std::move(location)).open_procs();
}

Status join_shim_cgroup(const std::vector<Fd>& files, pid_t pid) {
  for (const Fd& file : files) TRY_AT(write_all(file.get(), std::to_string(pid)), "ShimCgroup");
  return ok_status();
}

}  // namespace gabion::shim
