// What containerd and the shim's program say to each other before there is a service: runtime/bootstrap/v1,
// types/introspection.proto, and the options of a container (types/runc/options, types/runtimeoptions/v1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/containerd/proto/common.h"

namespace gabion::proto {

// What else containerd has to say: the options of the runtime.
struct Extension {
  Any value;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.value);
  }
};

// containerd 2.3 and later, on standard input.
struct BootstrapParams {
  std::string instance_id;
  std::string name_space;
  int32_t log_level = 0;
  std::string containerd_version;
  std::string ttrpc_address;
  std::string grpc_address;
  std::string containerd_binary;
  std::vector<Extension> extensions;
  std::string socket_dir;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.instance_id), visit(2, self.name_space), visit(3, self.log_level),
        visit(4, self.containerd_version), visit(5, self.ttrpc_address), visit(6, self.grpc_address),
        visit(7, self.containerd_binary), visit(8, self.extensions), visit(9, self.socket_dir);
  }
};

struct BootstrapResult {
  int32_t version = 0;
  std::string address;
  std::string protocol;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.version), visit(2, self.address), visit(3, self.protocol);
  }
};

struct RuntimeVersion {
  std::string version;
  std::string revision;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.version), visit(2, self.revision);
  }
};

struct RuntimeInfo {
  std::string name;
  RuntimeVersion version;
  Any options;
  Any features;
  std::vector<MapEntry> annotations;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.name), visit(2, self.version), visit(3, self.options), visit(4, self.features),
        visit(5, self.annotations);
  }
};

// containerd.runc.v1.Options, as far as they mean something to gabion or must be refused. Not io_uid and
// io_gid: the streams are given to the container's user in any case.
struct RuncOptions {
  bool no_pivot_root = false;
  bool no_new_keyring = false;
  std::string shim_cgroup;
  std::string binary_name;
  std::string root;
  bool systemd_cgroup = false;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.no_pivot_root), visit(2, self.no_new_keyring), visit(3, self.shim_cgroup),
        visit(6, self.binary_name), visit(7, self.root), visit(9, self.systemd_cgroup);
  }
};

// runtimeoptions.v1.Options.
struct RuntimeOptions {
  std::string type_url;
  std::string config_path;
  std::string config_body;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.type_url), visit(2, self.config_path), visit(3, self.config_body);
  }
};

}  // namespace gabion::proto
