"""Plays about devices, views of the kernel, system calls, sysctls, limits and hooks."""

import json
import os
import socket

from runtime import GROUP
from misconfiguration import IF_THE_KERNEL_LETS, Fails, Matches, Play

V1 = os.path.isdir("/sys/fs/cgroup/memory")
SHELL = os.path.realpath("/bin/sh")
READ_ONLY_DEVICE = {"devices": [{"path": "/dev/other", "type": "c", "major": 10, "minor": 237, "access": "r"}]}
PANIC = "/proc/sys/kernel/panic"


def linux(**fields):
    return lambda _, document: document["linux"].update(fields)


def resources(**fields):
    """Of a specification, or an update's own."""
    return lambda _, asked: asked.get("linux", {"resources": asked})["resources"].update(fields)


def device(path, major, minor):
    return linux(devices=[{"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666}])


def every_device(test, document):
    device("/dev/other", 10, 237)(test, document)
    resources(devices=[{"allow": True, "access": "rwm"}])(test, document)


def less(key, path):
    return lambda _, document: document["linux"][key].remove(path)


def seccomp(**fields):
    return lambda test, document: document["linux"]["seccomp"].update(
        json.loads(test.words(json.dumps(fields))))


def agent(test):
    test.agent = socket.socket(socket.AF_UNIX)
    test.addCleanup(test.agent.close)
    test.agent.bind(test.work + "/agent.sock")
    test.agent.listen()
    test.agent.setblocking(False)


def received(test, _):
    """What came to the listener: with a descriptor of the filter, system calls can be answered."""
    try:
        connection, _ = test.agent.accept()
    except BlockingIOError:
        return "nothing"
    with connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 65536, 8)
        for descriptor in descriptors:
            os.close(descriptor)
        return f"{len(descriptors)} descriptor"


def hardened(*path):
    """A part of the specification the container was made of, where the kernel does not show it."""
    def look(test, name):
        part = json.loads(test.text(f"{test.root}/{name}/config.json"))
        for key in path:
            part = part[key] if not isinstance(part, dict) else part.get(key, {})
        return json.dumps(part)
    return look


def group_file(*files):
    return lambda test, name: test.cgroup(name, *files)


def climbing(test, document):
    case = os.path.basename(test.work)
    document["linux"]["cgroupsPath"] = f"/{GROUP}/elsewhere/../{case}-c1"


def hook(test, document):
    path = test.work + "/hook"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho ran > {test.work}/hooked\n")
    os.chmod(path, 0o755)
    document["hooks"] = {"createRuntime": [{"path": path}]}


def hook_environment(test, document):
    document["hooks"] = {"createRuntime": [{"path": SHELL, "args": ["sh", "-c", f"echo $LD_TEST > {test.work}/hooked"],
                                            "env": ["LD_TEST=loaded", "A=b"]}]}


def hooked(test, _):
    return test.text(test.work + "/hooked").strip() if os.path.exists(test.work + "/hooked") else "did not run"


def panic():
    with open(PANIC, encoding="ascii") as file:
        return file.read().strip()


def sysctl(name, value):
    return linux(sysctl={name: value})


UNLIMITED = Matches(lambda test, text: text == "max" or int(text) > 1 << 60, "no limit")
INJECTED = "1+kernel.core_pattern=|/x"

PLAYS = (
    Play("device_node", "devices", "devices.nodes", "a device of the node's", device("/dev/fuse", 10, 229),
         (("linux.devices[0]", "/dev/fuse c 10:229", ""),), "[ -c /dev/fuse ] && echo node; true", rewrite="",
         warn="node"),
    Play("standard_path_foreign_number", "devices", "devices.nodes", "another device by a standard name",
         device("/dev/null", 1, 1), (("linux.devices[0]", "/dev/null c 1:1", ""),), "stat -c %t:%T /dev/null",
         rewrite="1:3", warn="1:1"),
    Play("every_device", "devices", "devices.cgroup", "a device rule that allows everything", every_device,
         (("linux.resources.devices", "1 rules, 1 of them allow",
           "deny all but the standard six and terminals, and what the policy grants"),),
         "( : > /dev/other ) 2>&1 | grep -o 'not permitted'; true", rewrite="not permitted", warn="",
         policy=READ_ONLY_DEVICE),
    Play("network_device", "devices", "devices.network", "a network device of the node's",
         linux(netDevices={"eth1": {}}),
         unsupported="linux.netDevices"),
    Play("unmasked_proc", "views of the kernel unmasked", "paths.masked", "a masked path less",
         less("maskedPaths", "/proc/kallsyms"), (("linux.maskedPaths", "31 paths", "added /proc/kallsyms"),),
         "head -c1 /proc/kallsyms | wc -c", rewrite="0", warn="1"),
    Play("writable_sysrq", "views of the kernel unmasked", "paths.readonly", "a read-only path less",
         less("readonlyPaths", "/proc/sys"), (("linux.readonlyPaths", "4 paths", "added /proc/sys"),),
         "grep ' /proc/sys ' /proc/self/mountinfo | grep -c ' ro,'; true", rewrite="1", warn="0"),

    Play("foreign_abi", "i386 and x32", "seccomp.architectures", "a filter that lets i386 and x32 in",
         seccomp(architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
         (("linux.seccomp.architectures", "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32", "SCMP_ARCH_X86_64"),),
         "probe try int80", rewrite=Matches(lambda test, text: text in ("int80 SIGSYS", "int80 ENOSYS", "int80 EPERM"),
         "denied"),
         warn="int80 ok", policy={"seccompProfile": ""}),
    Play("spec_allow", "weakened filters", "seccomp.flags", "a filter that gives up a mitigation",
         seccomp(flags=["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
         (("linux.seccomp.flags", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", ""),), hardened("linux", "seccomp", "flags"),
         rewrite="{}", warn='["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]'),
    Play("listener", "weakened filters", "seccomp.listener", "a program of the host that answers system calls",
         seccomp(listenerPath="$WORK/agent.sock", syscalls=[{"names": ["acct"], "action": "SCMP_ACT_NOTIFY"}]),
         (("linux.seccomp", "answers from $WORK/agent.sock", "ENOSYS"),), received, rewrite="nothing",
         warn="1 descriptor", before=agent),
    Play("trace", "weakened filters", "seccomp.trace", "a filter that leaves calls to a tracer",
         seccomp(syscalls=[{"names": ["acct"], "action": "SCMP_ACT_TRACE"}]),
         (("linux.seccomp", "SCMP_ACT_TRACE", "ENOSYS"),), hardened("linux", "seccomp", "syscalls"),
         rewrite='[{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]',
         warn='[{"names": ["acct"], "action": "SCMP_ACT_TRACE"}]'),

    # The value it has: no case may change the node's.
    Play("host_sysctl", "sysctls", "sysctl.name", "a sysctl of the node's", sysctl("kernel.panic", panic()),
         (("linux.sysctl.kernel.panic", panic(), ""),), hardened("linux", "sysctl"), rewrite="{}",
         warn=Fails("is not in a separate kernel namespace")),
    Play("unlisted_sysctl", "sysctls", "sysctl.name", "a sysctl that is not in `sysctls`",
         sysctl("net.ipv4.ip_default_ttl", "77"), (("linux.sysctl.net.ipv4.ip_default_ttl", "77", ""),),
         "cat /proc/sys/net/ipv4/ip_default_ttl", rewrite="64", warn="77", policy={"sysctls": []}),
    Play("sysctl_path", "sysctls", "sysctl.name", "a name that is a path", sysctl("net/../kernel/panic", panic()),
         (("linux.sysctl.net/../kernel/panic", panic(), ""),), hardened("linux", "sysctl"), rewrite="{}",
         warn=Fails("is not a plain name")),
    Play("sysctl_injection", "sysctls", "sysctl.value", "a value that holds another setting",
         sysctl("kernel.shm_rmid_forced", INJECTED),
         (("linux.sysctl.kernel.shm_rmid_forced", "(unprintable or separators)", ""),),
         "cat /proc/sys/kernel/shm_rmid_forced", rewrite="0", warn=Fails("invalid argument")),

    Play("no_pids_limit", "limits", "resources.pids", "no limit of processes",
         lambda _, document: document["linux"]["resources"].pop("pids"),
         (("linux.resources.pids.limit", "", "4096"),), group_file("pids.max"), rewrite="4096", warn="max"),
    Play("unlimited_memory", "limits", "resources.memory", "no limit of memory", resources(memory={"limit": -1}),
         (("linux.resources.memory.limit", "unlimited", "67108864"),),
         group_file("memory.limit_in_bytes", "memory.max"), rewrite="67108864", warn=UNLIMITED,
         policy={"memory": "64m"}),
    Play("no_oom_killer", "limits", "resources.oom_killer", "no OOM killer",
         resources(memory={"limit": 67108864, "disableOOMKiller": True}),
         (("linux.resources.memory.disableOOMKiller", "true", "false"),),
         lambda test, name: test.cgroup(name, "memory.oom_control", "memory.oom.group").splitlines()[0],
         rewrite="oom_kill_disable 0" if V1 else "0", warn="oom_kill_disable 1" if V1 else Fails("disableOOMKiller"),
         note=IF_THE_KERNEL_LETS),
    Play("cgroup_file", "limits", "resources.unified", "a cgroup file that limits nothing",
         resources(unified={"cgroup.max.depth": "3"}), (("linux.resources.unified.cgroup.max.depth", "3", ""),),
         group_file("cgroup.max.depth"), rewrite="max", warn="3"),
    Play("cgroup_climbs", "limits", "resources.cgroup_path", "a cgroup path with ..", climbing,
         (("linux.cgroupsPath", "/$GROUP/elsewhere/../$CASE-c1", "/$GROUP/$CASE-c1"),),
         lambda test, name: "below" if test.cgroups(name) else "elsewhere", rewrite="below", warn="below"),
    Play("root_cgroup", "limits", "resources.cgroup_path", "the root of the hierarchy", linux(cgroupsPath="/x/.."),
         (("linux.cgroupsPath", "/x/..", ""),), rewritable=False, warn=Fails("cgroupsPath")),

    Play("foreign_hook", "hooks and LD_*", "hooks.allowed", "a hook no policy names", hook,
         (("hooks.createRuntime[0]", "$WORK/hook", ""),), hooked, rewrite="did not run", warn="ran"),
    Play("hook_environment", "hooks and LD_*", "hooks.environment", "LD_* in the environment of a hook",
         hook_environment,
         (("hooks.createRuntime[0].env", "LD_TEST", ""),), hooked, rewrite="", warn="loaded",
         policy={"hooks": [{"paths": [SHELL]}]}),
    Play("annotation", "annotations", "annotations.ignored", "an annotation of gabion's own",
         lambda _, document: document.update(annotations={"dev.gabion.tier": "passthrough"}),
         (("annotations.dev.gabion.tier", "passthrough", ""),),
         lambda test, name: json.dumps(test.state(name).get("annotations", {})), rewrite="{}",
         warn='{"dev.gabion.tier": "passthrough"}'),
)
