// A container's control group on cgroup v1, hybrid and v2 hosts, through cgroupfs.
// Knows nothing of OCI: container/plan fills `CgroupLimits` from linux.resources.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

struct DeviceRule {
  bool allow = false;
  char type = 'a';     // a b c
  int64_t major = -1;  // -1: any
  int64_t minor = -1;
  bool read = false;
  bool write = false;
  bool mknod = false;
};

struct BlockThrottle {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t rate = 0;
};

struct BlockWeight {
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
};

// Absent: leave the kernel's value. OCI units (v1 scales); the v2 driver converts.
struct CgroupLimits {
  std::optional<int64_t> memory_limit;  // bytes; -1 unlimited
  std::optional<int64_t> memory_reservation;
  std::optional<int64_t> memory_swap;  // memory + swap, OCI's meaning
  std::optional<uint64_t> memory_swappiness;
  std::optional<bool> oom_kill_disable;
  bool memory_check_before_update = false;
  std::optional<uint64_t> cpu_shares;
  std::optional<int64_t> cpu_quota;
  std::optional<uint64_t> cpu_period;
  std::optional<uint64_t> cpu_burst;
  std::optional<int64_t> cpu_rt_runtime;
  std::optional<uint64_t> cpu_rt_period;
  std::optional<int64_t> cpu_idle;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::optional<int64_t> pids_limit;  // -1 unlimited
  std::optional<uint16_t> blkio_weight;
  std::optional<uint16_t> blkio_leaf_weight;
  std::vector<BlockWeight> blkio_weight_device;
  std::vector<BlockThrottle> blkio_read_bps;
  std::vector<BlockThrottle> blkio_write_bps;
  std::vector<BlockThrottle> blkio_read_iops;
  std::vector<BlockThrottle> blkio_write_iops;
  std::vector<std::pair<std::string, uint64_t>> hugepages;  // "2MB" → bytes
  std::optional<uint32_t> net_class_id;
  std::vector<std::pair<std::string, uint32_t>> net_priorities;
  std::vector<std::pair<std::string, std::string>> rdma;     // device → "hca_handle=2 hca_object=2000"
  std::vector<std::pair<std::string, std::string>> unified;  // file → value; an error on pure v1
  // Absent: devices are not touched (update). The whole list, first rule first, as OCI orders it.
  std::optional<std::vector<DeviceRule>> devices;
};

enum class CgroupMode { kLegacy, kHybrid, kUnified };

// Where the container's directories are: what the state file keeps.
struct CgroupLocation {
  [[nodiscard]] bool has_v1() const;

  // Controller (or "unified", "name=systemd") → absolute directory. Co-mounted controllers appear
  // once, named together as /proc/self/cgroup names them ("cpu,cpuacct").
  std::vector<std::pair<std::string, std::string>> directories;
};

class Cgroup {
 public:
  // `path` is linux.cgroupsPath: absolute is from the hierarchy's root, relative from the caller's
  // own cgroup, as runc has it; empty is the id, relative. Never leaves the hierarchy ("..":
  // cleaned), and a hierarchy's root itself is Code::kInvalid. Computes only.
  static Result<CgroupLocation> locate(const std::string& path, const std::string& id);

  // Makes every directory of `location`, parents too, and applies `limits`. A directory that
  // already holds processes is refused ("container's cgroup is not empty"). On error, what this
  // call made is removed again.
  static Result<Cgroup> create(const CgroupLocation& location, const CgroupLimits& limits);
  // The same in two steps, for a host with v1 hierarchies, on which a group is some ten directories: the
  // container's process can be mounting while they are made. First cgroup2's alone (no directory on pure
  // v1), which clone3(CLONE_INTO_CGROUP) needs to exist; then the others and the limits.
  static Result<Cgroup> create_unified(const CgroupLocation& location);
  static Result<Cgroup> create_v1(const CgroupLocation& location, const CgroupLimits& limits);
  static Cgroup open(CgroupLocation location);

  [[nodiscard]] const CgroupLocation& location() const { return location_; }

  // A single-threaded child joins by writing "0" to each: opened by the parent, so the child
  // resolves no path. On v1 these are the `tasks` files: "0" to a `cgroup.procs` file, of v1 or v2,
  // takes cgroup_threadgroup_rwsem, whose writer waits 10 ms for RCU; "0" to `tasks` does not.
  // For cgroup2 use `open_into` and leave it out here.
  // `sub` is "" or exec's --cgroup: "PATH" or "CONTROLLER[,CONTROLLER]:PATH", below the container's
  // group, several separated by blanks.
  enum class Join { kAll, kWithoutUnified };
  [[nodiscard]] Result<std::vector<Fd>> open_procs(const std::string& sub = "", Join join = Join::kAll) const;
  // The cgroup2 directory (v2 and hybrid) for clone3(CLONE_INTO_CGROUP), which needs no lock; an
  // invalid Fd on pure v1.
  [[nodiscard]] Result<Fd> open_into(const std::string& sub = "") const;

  // Changes the limits of a living group. A limit whose controller this host lacks is
  // Code::kUnsupported and names it. 0 means "leave it" for shares, weights, period, quota, memory
  // sizes and class ids, as engines send it.
  Status apply(const CgroupLimits& limits);
  // Returns when every task is frozen. Code::kUnsupported without a freezer.
  Status freeze();
  Status thaw();
  // Whether this very group was frozen: one whose ancestor is frozen is not paused.
  [[nodiscard]] Result<bool> frozen() const;
  // Every process in the group and below, as the caller's pid namespace numbers them.
  [[nodiscard]] Result<std::vector<pid_t>> processes() const;
  // SIGKILL to all, atomically where cgroup.kill exists, else freeze, kill, thaw, repeat; thaws a
  // frozen group so that the signal is delivered. Returns when the group is empty or `timeout_ms`
  // has passed (an error then).
  Status kill_all(int timeout_ms);
  Status signal_all(int signal);
  // For the common end of a container, whose processes are all gone: nothing can be in a group that the
  // kernel removes. False when some directory is in use: then kill_all() and remove().
  bool remove_if_vacant();
  // rmdir of every directory and the sub-directories a container made; retries EBUSY for a while.
  // Absent directories are fine. Parents are left.
  Status remove();

 private:
  explicit Cgroup(CgroupLocation location) : location_(std::move(location)) {}

  CgroupLocation location_;
};

CgroupMode cgroup_mode();

}  // namespace gabion::kernel
