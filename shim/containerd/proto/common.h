// Messages that others hold: google/protobuf/{any,timestamp}.proto and containerd's types/mount.proto.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gabion::proto {

struct Any {
  std::string type_url;  // containerd: a bare name, "containerd.events.TaskExit"
  std::string value;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.type_url), visit(2, self.value);
  }
};

struct Timestamp {
  int64_t seconds = 0;  // since 1970, UTC
  int32_t nanos = 0;    // 0 to 999,999,999

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.seconds), visit(2, self.nanos);
  }
};

// As mount(8) takes it.
struct Mount {
  std::string type;
  std::string source;
  std::string target;
  std::vector<std::string> options;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.type), visit(2, self.source), visit(3, self.target), visit(4, self.options);
  }
};

// Of a map<string, string>.
struct MapEntry {
  std::string key;
  std::string value;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.key), visit(2, self.value);
  }
};

}  // namespace gabion::proto
