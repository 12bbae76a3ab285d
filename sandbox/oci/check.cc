#include "oci/check.h"

#include "oci/check_detail.h"

namespace gabion::oci {

namespace {

using detail::at;
using detail::invalid;
using detail::is_absolute;
using detail::quoted;

// Takes a run of digits off the front of `text`.
bool take_number(std::string_view& text) {
  size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) digits = text.size();
  if (digits == 0) return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char character) {
  if (!text.starts_with(character)) return false;
  text.remove_prefix(1);
  return true;
}

// SemVer 2.0 with major version 1: minor versions only add fields, and fields we do not know are
// ignored as the specification demands, so 1.9.0 is as readable as 1.3.0.
bool is_version_1(std::string_view version) {
  if (!version.starts_with("1.")) return false;
  version.remove_prefix(2);
  if (!take_number(version) || !take(version, '.') || !take_number(version)) return false;
  return version.empty() || ((version.front() == '-' || version.front() == '+') && version.size() > 1);
}

Status check_mounts(const std::vector<Mount>& mounts) {
  for (size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    if (!is_absolute(mount.destination)) {
      return invalid(at("mounts", i), "mount destination not absolute: " + quoted(mount.destination));
    }
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
      return invalid(at("mounts", i), "uidMappings and gidMappings must be specified together");
    }
  }
  return ok_status();
}

Status check_hook_list(std::string_view name, const std::vector<Hook>& hooks) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    if (!is_absolute(hooks[i].path)) {
      return invalid(at(name, i), "hook path must be absolute: " + quoted(hooks[i].path));
    }
    if (hooks[i].timeout && *hooks[i].timeout <= 0) {
      return invalid(at(name, i), "hook timeout must be greater than zero");
    }
  }
  return ok_status();
}

Status check_hooks(const Hooks& hooks) {
  TRY(check_hook_list("hooks.prestart", hooks.prestart));
  TRY(check_hook_list("hooks.createRuntime", hooks.create_runtime));
  TRY(check_hook_list("hooks.createContainer", hooks.create_container));
  TRY(check_hook_list("hooks.startContainer", hooks.start_container));
  TRY(check_hook_list("hooks.poststart", hooks.poststart));
  return check_hook_list("hooks.poststop", hooks.poststop);
}

}  // namespace

Status check_spec(const Spec& spec) {
  if (!is_version_1(spec.oci_version)) {
    return invalid("ociVersion", "unknown version specified: " + quoted(spec.oci_version) +
                                     "; gabion reads 1.0.0 to 1.3.0 and compatible versions");
  }
  if (!spec.process) return invalid("", "process property must not be empty");
  TRY(check_process(*spec.process));
  if (!spec.root) return invalid("", "root must be specified");
  if (spec.root->path.empty()) return invalid("root.path", "must not be empty");
  TRY(check_mounts(spec.mounts));
  TRY(check_hooks(spec.hooks));
  return detail::check_linux(spec);
}

}  // namespace gabion::oci
