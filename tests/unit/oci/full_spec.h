// A config that sets every field the reader knows.
#pragma once

namespace gabion::oci {

inline constexpr const char* kFullSpec = R"json({
  "ociVersion": "1.3.0",
  "process": {
    "terminal": true,
    "consoleSize": {"height": 25, "width": 80},
    "user": {"uid": 4294967295, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
    "args": ["sh", "-c", "true"],
    "env": ["A=b", "C="],
    "cwd": "/",
    "capabilities": {
      "bounding": ["CAP_CHOWN"], "effective": ["CAP_KILL"], "inheritable": ["CAP_FOWNER"],
      "permitted": ["CAP_SETUID"], "ambient": ["CAP_SETGID"]
    },
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}],
    "noNewPrivileges": true,
    "apparmorProfile": "docker-default",
    "oomScoreAdj": -999,
    "scheduler": {
      "policy": "SCHED_DEADLINE", "nice": 0, "priority": 0, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
      "runtime": 10, "deadline": 20, "period": 30
    },
    "selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0",
    "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 4},
    "execCPUAffinity": {"initial": "0-3,7", "final": "1"}
  },
  "root": {"path": "rootfs", "readonly": true},
  "hostname": "h",
  "domainname": "d",
  "mounts": [{
    "destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"],
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 20}]
  }],
  "hooks": {
    "prestart": [{"path": "/h1", "args": ["a"], "env": ["E=1"], "timeout": 5}],
    "createRuntime": [{"path": "/h2"}],
    "createContainer": [{"path": "/h3"}],
    "startContainer": [{"path": "/h4"}],
    "poststart": [{"path": "/h5"}],
    "poststop": [{"path": "/h6"}]
  },
  "annotations": {"z.key": "1", "a.key": ""},
  "linux": {
    "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 200000, "size": 65536}],
    "sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "2"},
    "resources": {
      "devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
      ],
      "memory": {
        "limit": 1, "reservation": 2, "swap": -1, "kernel": 4, "kernelTCP": 5, "swappiness": 0,
        "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true
      },
      "cpu": {
        "shares": 1024, "quota": -1, "burst": 3, "period": 100000, "realtimeRuntime": 5,
        "realtimePeriod": 6, "cpus": "0-1", "mems": "0", "idle": 1
      },
      "pids": {"limit": 0},
      "blockIO": {
        "weight": 10, "leafWeight": 65535,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 600}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 2, "rate": 601}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 3, "rate": 602}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 4, "rate": 603}]
      },
      "hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854771712}],
      "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
      "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}, "rxe3": {"hcaObjects": 0}},
      "unified": {"memory.high": "100", "cpu.weight": "50"}
    },
    "cgroupsPath": "/my/group",
    "namespaces": [
      {"type": "pid", "path": "/proc/1/ns/pid"}, {"type": "network"}, {"type": "mount"},
      {"type": "ipc"}, {"type": "uts"}, {"type": "user"}, {"type": "cgroup"}, {"type": "time"}
    ],
    "devices": [
      {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 1}
    ],
    "netDevices": {"eth0": {"name": "inside"}, "eth1": {}},
    "seccomp": {
      "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"],
      "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/run/l.sock", "listenerMetadata": "m",
      "syscalls": [
        {
          "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
          "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 7, "op": "SCMP_CMP_MASKED_EQ"}]
        }
      ]
    },
    "rootfsPropagation": "rslave",
    "maskedPaths": ["/proc/kcore"],
    "readonlyPaths": ["/proc/sys"],
    "mountLabel": "system_u:object_r:svirt_sandbox_file_t:s0",
    "intelRdt": {},
    "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
    "personality": {"domain": "LINUX32", "flags": ["F"]},
    "timeOffsets": {"boottime": {"secs": -1, "nanosecs": 999999999}, "monotonic": {"secs": 3}}
  }
})json";

}  // namespace gabion::oci
