"""Plays about namespaces, privileges and the process."""

import os

from runtime import ALL_CAPABILITIES, Process, wait_until
from misconfiguration import (
    IF_THE_KERNEL_LETS, Fails, Matches, Play, not_of_the_host, of_the_host, without, without_namespace)

SETS = ("bounding", "effective", "permitted")
NINE = "CHOWN DAC_OVERRIDE FSETID FOWNER SETGID SETUID SETPCAP NET_BIND_SERVICE KILL"
DANGEROUS = ("SYS_ADMIN SYS_PTRACE SYS_MODULE SYS_RAWIO BPF PERFMON DAC_READ_SEARCH SYS_BOOT SYSLOG NET_ADMIN NET_RAW "
             "MKNOD")
OURS = f"/proc/{os.getpid()}/ns/"
OWN_MOUNTS = "mount --make-rprivate /"
STATUS = "grep {} /proc/self/status | cut -f2"


def bits(names):
    return f"{sum(1 << ALL_CAPABILITIES.index('CAP_' + name) for name in names.split()):016x}"


def caller_has(name):
    with open("/proc/self/status", encoding="ascii") as file:
        held = int(next(line.split()[1] for line in file if line.startswith("CapEff")), 16)
    return held >> ALL_CAPABILITIES.index("CAP_" + name) & 1


def capabilities(names, *sets):
    def edit(_, document):
        asked = document.get("process", document)["capabilities"]
        for kind in sets or SETS:
            asked[kind] = ["CAP_" + name for name in names.split()]
    return edit


def process(**fields):
    """Of a specification, or of the process of an exec."""
    return lambda _, document: document.get("process", document).update(fields)


def joined(kind, path="$HOLDER"):
    def edit(test, document):
        entries = without(document["linux"]["namespaces"], type=kind)
        short = {"network": "net", "mount": "mnt"}.get(kind, kind)
        place = path if path != "$HOLDER" else f"/proc/{test.helpers[0].pid}/ns/{short}"
        document["linux"]["namespaces"] = [*entries, {"type": kind, "path": place}]
        test.joined = place
    return edit


def holder(*flags):
    """Another container's namespaces, as far as the runtime can tell."""
    def before(test):
        test.helpers.append(Process(["unshare", *flags, "sleep", "100"]))
        place = f"/proc/{test.helpers[0].pid}/cmdline"
        wait_until(lambda: test.text(place).startswith("sleep"))
    return before


def of_the_holder(test, text):
    return text == os.readlink(test.joined)


def own_ids(_, document):
    document["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        document["linux"][kind] = [{"containerID": 0, "hostID": 1000, "size": 1000}]


def no_mounts(test, document):
    without_namespace("mount")(test, document)
    for key in ("maskedPaths", "readonlyPaths"):  # which need one
        document["linux"].pop(key)


def privileged(_, document):
    capabilities(DANGEROUS)(_, document)
    document["linux"].pop("seccomp")
    document["linux"].pop("maskedPaths")


def oom_score(test, name):
    return test.text(f"/proc/{test.state(name)['pid']}/oom_score_adj").strip()


def host_namespace(name, asks, kind, entry, edit=None, **more):
    short = {"mount": "mnt"}.get(kind, kind)
    return Play(name, "host namespaces", "namespaces.private", asks, edit or without_namespace(kind),
                ((entry, more.pop("before_text", ""), f"new {kind} namespace"),), f"readlink /proc/self/ns/{short}",
                rewrite=not_of_the_host(short), warn=more.pop("warn", of_the_host(short)), **more)


def ceiling(names, kept):
    return tuple((f"process.capabilities.{kind}", names, kept) for kind in SETS)


SEALED = "\nsethostname EPERM\nmount-tmpfs EPERM"
ALL_LINES = "for s in Inh Prm Eff Bnd Amb; do grep Cap$s /proc/self/status | cut -f2; done | sort -u"

PLAYS = (
    Play("privileged", "privileged, all capabilities", "privileged", "`--privileged`: no filter, no masks", privileged,
         (("process", "12 capabilities, no system call filter, no masked paths", "judged rule by rule"),),
         ALL_LINES + "; head -c1 /proc/kcore | wc -c", rewrite="0000000000000000\n0",
         warn="0000000000000000\n0", others="rewrite", note="every other rule judges all the same"),
    Play("all_capabilities", "dangerous capabilities", "capabilities.ceiling", "the twelve that reach the host",
         capabilities(DANGEROUS), ceiling(DANGEROUS, ""), STATUS.format("CapBnd") + "; probe try sethostname mount-tmpfs",
         rewrite=bits("") + SEALED, warn=bits(DANGEROUS) + SEALED, policy={"seccompProfile": ""},
         note="as asked; against namespaces of the node they do nothing"),
    Play("capabilities", "privileged, all capabilities", "capabilities.ceiling", "one above the ceiling",
         capabilities(NINE + " SYS_CHROOT"), ceiling(NINE + " SYS_CHROOT", NINE),
         STATUS.format("CapEff") + "; probe try chroot", rewrite=bits(NINE) + "\nchroot EPERM",
         warn=bits(NINE + " SYS_CHROOT") + "\nchroot ok"),
    Play("unknown_capability", "privileged, all capabilities", "capabilities.ceiling",
         "a name the kernel does not know",
         capabilities(NINE + " NOTHING", "bounding"), (("process.capabilities.bounding", NINE + " NOTHING", NINE),),
         STATUS.format("CapBnd"), rewrite=bits(NINE), warn=bits(NINE), note="left there; no kernel has it"),
    Play("inheritable", "set-user-id, no no_new_privs", "capabilities.inheritable", "inheritable capabilities",
         capabilities("KILL", "inheritable"), (("process.capabilities.inheritable", "KILL", ""),),
         STATUS.format("CapInh"), rewrite=bits(""), warn=bits("KILL")),
    Play("ambient", "set-user-id, no no_new_privs", "capabilities.inheritable", "ambient capabilities",
         capabilities("KILL", "inheritable", "ambient"),
         (("process.capabilities.inheritable", "KILL", ""), ("process.capabilities.ambient", "KILL", "")),
         STATUS.format("CapAmb"), rewrite=bits(""), warn=bits("KILL")),
    Play("no_capabilities_object", "privileged, all capabilities", "capabilities.explicit",
         "no `capabilities`, which means the caller's own",
         lambda test, document: document["process"].pop("capabilities"),
         (("process.capabilities", "", "empty sets"),), STATUS.format("CapBnd"), rewrite=bits(""),
         warn=bits(""), note="as asked; gabion gives none then"),
    Play("new_privileges", "set-user-id, no no_new_privs", "process.no_new_privileges", "no `noNewPrivileges`",
         process(noNewPrivileges=False), (("process.noNewPrivileges", "false", "true"),), STATUS.format("NoNewPrivs"),
         rewrite="1", warn="0"),

    host_namespace("host_pid", "no pid namespace", "pid", "linux.namespaces"),
    host_namespace("host_pid_by_path", "the host's, by path", "pid", "linux.namespaces[5]",
                   edit=joined("pid", OURS + "pid"), before_text="pid of the host ($JOINED)"),
    host_namespace("host_ipc", "no ipc namespace", "ipc", "linux.namespaces"),
    host_namespace("host_uts", "no uts namespace", "uts", "linux.namespaces",
                   edit=lambda test, document: (without_namespace("uts")(test, document), document.pop("hostname"))),
    host_namespace("host_cgroup", "no cgroup namespace", "cgroup", "linux.namespaces"),
    host_namespace("no_mount_namespace", "no mount namespace", "mount", "linux.namespaces", edit=no_mounts,
                   host=OWN_MOUNTS, others="rewrite", warn=Fails("mount namespace")),
    Play("host_network", "host namespaces", "namespaces.host_network", "no network namespace",
         without_namespace("network"),
         (("linux.namespaces", "network of the host", "new network namespace"),), "readlink /proc/self/ns/net",
         rewrite=not_of_the_host("net"), warn=of_the_host("net")),
    Play("own_id_mappings", "host namespaces", "namespaces.user", "ids of the specification's own choice", own_ids,
         (("linux", "ids 0 to 1000 size 1000", "an id range of its own"),), "cat /proc/self/uid_map",
         rewrite=Matches(lambda test, text: int(text.split()[1]) > 1 << 30 and text.split()[2] == "65536",
         "a range of its own"),
         warn=Matches(lambda test, text: text.split() == ["0", "1000", "1000"], "ids 1000 to 1999")),
    Play("host_user_namespace", "host namespaces", "namespaces.user", "the host's user namespace, by path",
         joined("user", OURS + "user"), (("linux", "the host's user namespace ($JOINED)", "an id range of its own"),),
         "readlink /proc/self/ns/user", rewrite=not_of_the_host("user"), warn=Fails("enter the user namespace")),
    Play("joined_network", "namespaces shared between containers", "namespaces.join",
         "another container's network, where `joinNamespaces` lacks it", joined("network"),
         (("linux.namespaces[5].path", "$JOINED", "new network namespace"),), "readlink /proc/self/ns/net",
         rewrite=not_of_the_host("net"), warn=Matches(of_the_holder, "the other container's"), before=holder("-n"),
         policy={"joinNamespaces": []}),
    Play("host_mount_namespace", "namespaces shared between containers", "namespaces.join",
         "another container's mount namespace", joined("mount"),
         (("linux.namespaces[5].path", "$JOINED", "new mount namespace"),), "readlink /proc/self/ns/mnt",
         rewrite=not_of_the_host("mnt"), warn=Matches(of_the_holder, "the other container's"), before=holder("-m")),

    Play("core_limit_zero", "the process", "process.core_dumps", "core dumps, or a limit a pipe ignores",
         process(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]),
         (("process.rlimits", "soft 0, hard 0", "RLIMIT_CORE soft 1, hard 1"),), "probe limits | grep core",
         rewrite="core 1 1", warn="core 0 0"),
    Play("cwd_in_proc", "the process", "process.cwd", "a working directory in /proc", process(cwd="/proc/self/fd/7"),
         (("process.cwd", "/proc/self/fd/7", "/"),), "pwd", rewrite="/", warn=Fails("cwd")),
    Play("oom_score", "the process", "process.oom_score", "to be killed last", process(oomScoreAdj=-500),
         (("process.oomScoreAdj", "-500", "0"),), oom_score, rewrite="0",
         warn="-500" if caller_has("SYS_RESOURCE") else Fails("process.oomScoreAdj"),
         note=IF_THE_KERNEL_LETS),
    Play("realtime", "the process", "process.realtime", "real-time scheduling",
         process(scheduler={"policy": "SCHED_FIFO", "priority": 5}), (("process.scheduler", "SCHED_FIFO", ""),),
         "cut -d' ' -f41 /proc/self/stat", rewrite="0",
         warn=Fails("process.scheduler") if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us") else "1",
         note=IF_THE_KERNEL_LETS),
    Play("nice", "the process", "process.realtime", "a negative nice value",
         process(scheduler={"policy": "SCHED_OTHER", "nice": -5}), (("process.scheduler.nice", "-5", "0"),),
         "cut -d' ' -f19 /proc/self/stat", rewrite="0", warn="-5"),
    Play("realtime_io", "the process", "process.realtime", "real-time I/O",
         process(ioPriority={"class": "IOPRIO_CLASS_RT", "priority": 3}), (("process.ioPriority", "IOPRIO_CLASS_RT",
         ""),),
         "probe io-priority", rewrite="0 0", warn="1 3"),
    Play("personality", "the process", "process.personality", "another personality",
         lambda test, document: document["linux"].update(personality={"domain": "LINUX32"}),
         (("linux.personality", "LINUX32 ", "LINUX"),), "uname -m", rewrite="x86_64", warn="i686"),
)
