#include "shim/cli/update_resources.h"

#include <limits>
#include <optional>

#include "base/text.h"

namespace gabion::cli {

namespace {

Error invalid(std::string_view flag, std::string_view text, std::string_view what) {
  return make_error(Code::kInvalid, concat({"invalid value for ", flag, ": ", what, ": '", text, "'"}));
}

// An empty value counts as not given: go-runc's callers template the flags.
Result<std::optional<int64_t>> bytes(const Arguments& arguments, std::string_view flag) {
  const std::string& text = arguments.text(flag);
  if (text.empty()) return std::optional<int64_t>();
  const std::optional<int64_t> value = parse_bytes(text);
  if (!value || *value < -1) return invalid(flag, text, "invalid size");
  return value;
}

Result<std::optional<uint64_t>> number(const Arguments& arguments, std::string_view flag,
                                       uint64_t max = std::numeric_limits<uint64_t>::max()) {
  const std::string& text = arguments.text(flag);
  if (text.empty()) return std::optional<uint64_t>();
  const std::optional<uint64_t> value = parse_unsigned(text, max);
  if (!value) return invalid(flag, text, "invalid number");
  return value;
}

Result<std::optional<int64_t>> signed_number(const Arguments& arguments, std::string_view flag) {
  const std::string& text = arguments.text(flag);
  if (text.empty()) return std::optional<int64_t>();
  const std::optional<int64_t> value = parse_signed(text);
  if (!value) return invalid(flag, text, "invalid number");
  return value;
}

Status refuse_unsupported(const Arguments& arguments) {
  struct Reason {
    const char* flag;
    const char* text;
  };
  constexpr Reason kReasons[] = {
      {"kernel-memory", "the kernel has no such limit since 5.16; use --memory"},
      {"kernel-memory-tcp", "not supported; TCP buffers count towards --memory on cgroup v2"},
      {"l3-cache-schema", "linux.intelRdt is not supported"},
      {"mem-bw-schema", "linux.intelRdt is not supported"},
  };
  for (const Reason& reason : kReasons) {
    if (!arguments.text(reason.flag).empty()) {
      return make_error(Code::kUnsupported, concat({"--", reason.flag, ": ", reason.text}));
    }
  }
  return ok_status();
}

}  // namespace

Result<oci::Resources> resources_from_flags(const Arguments& arguments) {
  TRY(refuse_unsupported(arguments));
  oci::MemoryResources memory;
  memory.limit = TRY(bytes(arguments, "memory"));
  memory.reservation = TRY(bytes(arguments, "memory-reservation"));
  memory.swap = TRY(bytes(arguments, "memory-swap"));

  oci::CpuResources cpu;
  cpu.shares = TRY(number(arguments, arguments.has("cpu-shares") ? "cpu-shares" : "cpu-share"));
  cpu.quota = TRY(signed_number(arguments, "cpu-quota"));
  cpu.period = TRY(number(arguments, "cpu-period"));
  cpu.burst = TRY(number(arguments, "cpu-burst"));
  cpu.realtime_period = TRY(number(arguments, "cpu-rt-period"));
  cpu.realtime_runtime = TRY(signed_number(arguments, "cpu-rt-runtime"));
  cpu.cpus = arguments.text("cpuset-cpus");
  cpu.mems = arguments.text("cpuset-mems");
  const std::optional<uint64_t> idle = TRY(number(arguments, "cpu-idle", 1));
  if (idle) cpu.idle = static_cast<int64_t>(*idle);

  oci::BlockIoResources block_io;
  const std::optional<uint64_t> weight = TRY(number(arguments, "blkio-weight", 1000));
  if (weight && *weight != 0) {  // 0 is runc's "not given"
    if (*weight < 10) return invalid("blkio-weight", arguments.text("blkio-weight"), "expected 10 to 1000");
    block_io.weight = static_cast<uint16_t>(*weight);
  }

  oci::Resources resources;
  if (memory != oci::MemoryResources{}) resources.memory = memory;
  if (cpu != oci::CpuResources{}) resources.cpu = cpu;
  if (block_io != oci::BlockIoResources{}) resources.block_io = block_io;
  const std::optional<int64_t> pids = TRY(signed_number(arguments, "pids-limit"));
  if (pids && *pids != 0) resources.pids_limit = *pids;  // 0 is runc's "not given"
  return resources;
}

}  // namespace gabion::cli
