// Device access on cgroup2: a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE in place of v1's
// devices controller, written by a small assembler of our own.
#pragma once

#include <linux/bpf.h>

#include <vector>

#include "base/result.h"
#include "kernel/cgroup.h"

namespace gabion::kernel {

using BpfProgram = std::vector<bpf_insn>;

// Pure. The rules in order; for each access asked for (read, write, mknod) the last rule that names
// the device and the access decides, and without one it is denied.
BpfProgram device_program(const std::vector<DeviceRule>& rules);

// Loads `program` and attaches it to the cgroup2 directory `cgroup`, in place of one this function
// attached before: the group is never without. Programs of others stay; the kernel allows only what
// all allow.
Status attach_device_program(int cgroup, const BpfProgram& program);

}  // namespace gabion::kernel
