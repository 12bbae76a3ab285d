"""Plays about what exec and update can ask for. What the container itself lacks, no mode gives them."""

import os

from misconfiguration import IF_THE_KERNEL_LETS, Fails, Play
from plays_node import READ_ONLY_DEVICE, UNLIMITED, V1, device, group_file, resources
from plays_process import ALL_LINES, NINE, STATUS, bits, caller_has, capabilities, ceiling, process

PRIVILEGES = "set-user-id, no no_new_privs"
ALL = "privileged, all capabilities"
LABELS = {"apparmorProfile": "unconfined"}  # the one label there is without AppArmor


def memory_limit(test, name):
    return test.cgroup(name, "memory.limit_in_bytes", "memory.max")


def oom_control(test, name):
    return test.cgroup(name, "memory.oom_control", "memory.oom.group").splitlines()[0]


def of_no_container(test, name):
    """What a process of the container's is told of a device no container has: opened, or not permitted."""
    return test.execute(name, "sh", "-c", "( : > /dev/other ) 2>&1 | grep -o 'not permitted'; true").out


EXEC = (
    Play("exec_forbidden", "exec where there should be none", "exec.allowed",
         "any second process, where `exec` is false",
         findings=(("process", "sh -c echo > /scratch/entered; true", ""),), look="true", warn="", rewritable=False,
         policy={"exec": False}),
    Play("exec_capabilities", ALL, "capabilities.ceiling", "a capability the container has not",
         capabilities("KILL SYS_ADMIN"), ceiling("KILL SYS_ADMIN", "KILL"), STATUS.format("CapBnd"),
         rewrite=bits("KILL"),
         warn=bits("KILL"), tightens=True),
    Play("exec_capabilities_of_the_container", ALL, "capabilities.ceiling",
         "a capability the container has, from a policy that was wider", capabilities("KILL SYS_CHROOT"),
         ceiling("KILL SYS_CHROOT", "KILL"), STATUS.format("CapBnd"), rewrite=bits("KILL"),
         warn=bits("KILL SYS_CHROOT"),
         container=capabilities(NINE + " SYS_CHROOT")),
    Play("exec_inheritable", PRIVILEGES, "capabilities.inheritable", "inheritable capabilities",
         capabilities("KILL", "inheritable"), (("process.capabilities.inheritable", "KILL", ""),),
         STATUS.format("CapInh"), rewrite=bits(""), warn=bits("KILL")),
    Play("exec_ambient", PRIVILEGES, "capabilities.inheritable", "ambient capabilities",
         capabilities("KILL", "inheritable", "ambient"),
         (("process.capabilities.inheritable", "KILL", ""), ("process.capabilities.ambient", "KILL", "")),
         STATUS.format("CapAmb"), rewrite=bits(""), warn=bits("KILL")),
    Play("exec_no_capabilities_object", ALL, "capabilities.explicit", "no `capabilities`",
         lambda _, asked: asked.pop("capabilities"), (("process.capabilities", "", "empty sets"),), ALL_LINES,
         rewrite=bits(""), warn=bits(""), note="as asked; gabion gives none then"),
    Play("exec_new_privileges", PRIVILEGES, "process.no_new_privileges", "no `noNewPrivileges`",
         process(noNewPrivileges=False), (("process.noNewPrivileges", "false", "true"),), STATUS.format("NoNewPrivs"),
         rewrite="1", warn="1", tightens=True),
    Play("exec_core_limit", "the process", "process.core_dumps", "core dumps, or a limit a pipe ignores",
         process(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]),
         (("process.rlimits", "soft 0, hard 0", "RLIMIT_CORE soft 1, hard 1"),), "probe limits | grep core",
         rewrite="core 1 1", warn="core 0 0"),
    Play("exec_cwd_in_proc", "the process", "process.cwd", "a working directory in /proc",
         process(cwd="/proc/self/fd/7"),
         (("process.cwd", "/proc/self/fd/7", "/"),), "pwd", rewrite="/", warn=Fails("cwd")),
    Play("exec_oom_score", "the process", "process.oom_score", "to be killed last", process(oomScoreAdj=-500),
         (("process.oomScoreAdj", "-500", "0"),), "cat /proc/self/oom_score_adj", rewrite="0",
         warn="-500" if caller_has("SYS_RESOURCE") else Fails("process.oomScoreAdj"),
         note=IF_THE_KERNEL_LETS),
    Play("exec_realtime", "the process", "process.realtime", "real-time scheduling",
         process(scheduler={"policy": "SCHED_FIFO", "priority": 5}), (("process.scheduler", "SCHED_FIFO", ""),),
         "cut -d' ' -f41 /proc/self/stat", rewrite="0",
         warn=Fails("process.scheduler") if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us") else "1",
         note=IF_THE_KERNEL_LETS),
    Play("exec_label", "the process", "process.label", "another label than the container's",
         process(apparmorProfile="wider"), (("process.apparmorProfile", "wider", "unconfined"),),
         "echo ran", rewrite="ran", warn="ran", tightens=True, container=process(**LABELS)),
)

UPDATE = (
    Play("update_pids", "limits", "resources.pids", "no limit of processes", resources(pids={"limit": -1}),
         (("linux.resources.pids.limit", "unlimited", "4096"),), group_file("pids.max"), rewrite="4096", warn="max"),
    Play("update_memory", "limits", "resources.memory", "no limit of memory", resources(memory={"limit": -1}),
         (("linux.resources.memory.limit", "unlimited", "67108864"),), memory_limit, rewrite="67108864", warn=UNLIMITED,
         policy={"memory": "64m"}),
    Play("update_memory_unified", "limits", "resources.memory", "no limit of memory, as a cgroup file",
         resources(unified={"memory.max": "max"}),
         (("linux.resources.unified.memory.max", "max", "67108864"),), memory_limit,
         rewrite=Fails("memory.max") if V1 else "67108864", warn=Fails("memory.max") if V1 else UNLIMITED,
         policy={"memory": "64m"},
         note=IF_THE_KERNEL_LETS),
    Play("update_no_oom_killer", "limits", "resources.oom_killer", "no OOM killer",
         resources(memory={"disableOOMKiller": True}),
         (("linux.resources.memory.disableOOMKiller", "true", "false"),), oom_control,
         rewrite="oom_kill_disable 0" if V1 else "0", warn="oom_kill_disable 1" if V1 else Fails("disableOOMKiller"),
         note=IF_THE_KERNEL_LETS),
    Play("update_cgroup_file", "limits", "resources.unified", "a cgroup file that limits nothing",
         resources(unified={"cgroup.max.depth": "3"}), (("linux.resources.unified.cgroup.max.depth", "3", ""),),
         group_file("cgroup.max.depth"), rewrite="max", warn="3"),
    Play("update_devices", "devices", "devices.cgroup", "device rules",
         resources(devices=[{"allow": True, "access": "rwm"}]),
         (("linux.resources.devices", "1 rules, 1 of them allow", ""),), of_no_container, rewrite="not permitted",
         warn="not permitted", tightens=True, container=device("/dev/other", 10, 237), policy=READ_ONLY_DEVICE),
)
