"""Plays about what is mounted, and where."""

import os
import socket
import stat

from misconfiguration import Fails, Play, bind, mounts, plain

# /run of the case's own, with what gabion keeps there: sockets of engines can be put into it.
OWN_RUN = ("mkdir -p $WORK/run; mount --rbind /run $WORK/run; mount -t tmpfs tmpfs /run; mkdir /run/gabion; "
           "mount --bind $WORK/run/gabion /run/gabion; umount -l $WORK/run; "
           "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/docker.sock\")'")
HOME = "mount -t tmpfs tmpfs /home; mkdir -p /home/alice/.ssh; echo key > /home/alice/.ssh/id"
DOCKER = "mount -t tmpfs tmpfs /var/lib; mkdir -p /var/lib/docker/overlay2; echo layer > /var/lib/docker/overlay2/file"
OPTIONS = "nosuid nodev noexec"


def work_socket(test):
    listener = socket.socket(socket.AF_UNIX)
    test.addCleanup(listener.close)
    listener.bind(test.work + "/app.sock")
    listener.listen()


def directory(name):
    def make(test):
        os.makedirs(f"{test.work}/{name}", exist_ok=True)
        with open(f"{test.work}/{name}/file", "w", encoding="utf-8") as file:
            file.write("of the host\n")
    return make


def link(test):
    os.symlink("/etc", test.work + "/innocent")


def writable_root(test, document):
    document["root"] = {"path": test.own_image(), "readonly": False}


def host_paths(name, asks, rule, source, seen, at="/x", **more):
    """A bind of something of the host's that a script can see: gone, or there."""
    return Play(name, "host paths", rule, asks, mounts({**bind(source, at)}),
                (("mounts[7]", f"{source} at {at}", ""),), seen[0], rewrite="", warn=seen[1], **more)


ETC = ("[ -e /x/hostname ] && echo there; true", "there")

PLAYS = (
    Play("docker_socket", "control sockets of engines", "mounts.engine_socket", "a bind of /run/docker.sock",
         mounts(bind("/run/docker.sock", "/x.sock")), (("mounts[7]", "/run/docker.sock at /x.sock", ""),),
         "[ -S /x.sock ] && echo socket; true", rewrite="", warn="socket", host=OWN_RUN),
    Play("directory_of_sockets", "control sockets of engines", "mounts.engine_socket", "a bind of /run",
         mounts(bind("/run")), (("mounts[7]", "/run at /x", ""),),
         "[ -S /x/docker.sock ] && echo socket; true", rewrite="", warn="socket", host=OWN_RUN),

    host_paths("host_root", "a bind of /", "mounts.sensitive_path", "/",
               ("[ -e /x/etc/hostname ] && echo there; true", "there")),
    host_paths("host_etc", "a bind of /etc", "mounts.sensitive_path", "/etc", ETC),
    host_paths("link_to_etc", "a bind of a link that leads to /etc", "mounts.sensitive_path", "$WORK/innocent", ETC,
               before=link),
    host_paths("ssh_keys", "a bind of /home/*/.ssh", "mounts.sensitive_path", "/home/alice/.ssh",
               ("cat /x/id 2>/dev/null; true", "key"), host=HOME),
    host_paths("engine_data", "a bind of an engine's own files", "mounts.sensitive_path", "/var/lib/docker/overlay2",
               ("cat /x/file 2>/dev/null; true", "layer"), host=DOCKER),
    host_paths("unlisted_path", "a bind of a path that is not in `allowedHostPaths`", "mounts.host_path", "$WORK/data",
               ("cat /x/file 2>/dev/null; true", "of the host"), before=directory("data"),
               policy={"allowedHostPaths": ["/srv"]}),
    host_paths("some_socket", "a bind of any other socket", "mounts.special_file", "$WORK/app.sock",
               ("[ -S /x.sock ] && echo socket; true", "socket"), at="/x.sock", before=work_socket),
    host_paths("disk", "a bind of a device node", "mounts.special_file", "$WORK/disk",
               ("[ -c /x.disk ] && echo device; true", "device"), at="/x.disk",
               before=lambda test: os.mknod(test.work + "/disk", stat.S_IFCHR | 0o600, os.makedev(1, 7))),
    host_paths("host_proc_elsewhere", "a bind of the host's /proc, wherever it is mounted", "mounts.host_filesystem",
               "$WORK/proc", ("[ -e /x/self ] && echo there; true", Fails("idmap")), before=directory("proc"),
               host="mount -t proc proc $WORK/proc"),
    Play("root_is_the_host", "host paths", "rootfs.path", "a root file system that is a directory of the node",
         lambda test, document: document["root"].update(path="/srv"), (("root.path", "/srv", ""),),
         "cat /etc/plain", warn="plain", rewritable=False,
         before=lambda test: test.own_image(), host="mount --bind $WORK/image /srv"),

    Play("filesystem_type", "mounts", "mounts.type", "a file system type that is not a container's",
         mounts(plain("ramfs", "/x", *OPTIONS.split())), (("mounts[7]", "ramfs at /x", ""),),
         "grep -c ' /x ' /proc/self/mountinfo; true", rewrite="0", warn="1"),
    Play("tmpfs_over_proc", "mounts", "mounts.destination", "a mount over /proc",
         mounts(plain("tmpfs", "/proc/sys/net", *OPTIONS.split())), (("mounts[7]", "tmpfs at /proc/sys/net", ""),),
         "grep -q ' /proc/sys/net ' /proc/self/mountinfo && echo mounted; true", rewrite="", warn="mounted"),
    Play("tmpfs_over_sys", "mounts", "mounts.destination", "a mount over /sys, in other words",
         mounts(plain("tmpfs", "/x/../sys", *OPTIONS.split())), (("mounts[7]", "tmpfs at /x/../sys", ""),),
         "grep ' /sys ' /proc/self/mountinfo | grep -c tmpfs; true", rewrite="0", warn="1"),
    Play("bind_over_dev_null", "mounts", "mounts.destination", "a bind over /dev/null",
         mounts(bind("$WORK/data/file", "/dev/null")), (("mounts[7]", "bind at /dev/null", ""),),
         "[ -c /dev/null ] || cat /dev/null", rewrite="", warn=Fails("another file in its place"),
         before=directory("data")),
    Play("suid_mount", "set-user-id, no no_new_privs", "mounts.flags", "a mount with suid and dev",
         mounts(plain("tmpfs", "/x", "suid", "dev", "noexec")),
         (("mounts[7].options", "suid dev noexec", "noexec nosuid nodev"),),
         "grep ' /x ' /proc/self/mountinfo | grep -o 'nosuid,nodev'; true", rewrite="nosuid,nodev", warn=""),
    Play("writable_cgroups", "views of the kernel unmasked", "mounts.flags", "a writable cgroup file system",
         mounts(plain("cgroup", "/sys/fs/cgroup", "nosuid", "nodev", "noexec", "rw")),
         (("mounts[7].options", "nosuid nodev noexec rw", "nosuid nodev noexec ro"),),
         "grep -q '/sys/fs/cgroup' /proc/self/mountinfo && grep '/sys/fs/cgroup' /proc/self/mountinfo | "
         "grep -q ' rw,nosuid' && echo writable; true", rewrite="", warn="writable"),
    Play("writable_exec", "writable and executable", "mounts.writable_exec", "a mount both writable and executable",
         mounts(plain("tmpfs", "/x", "nosuid", "nodev", "exec")),
         (("mounts[7].options", "nosuid nodev exec", "nosuid nodev noexec"),),
         "cp /bin/busybox /x/echo; /x/echo dropped program ran 2>/dev/null; true",
         rewrite="", warn="dropped program ran"),
    Play("writable_root", "writable and executable", "rootfs.readonly", "a writable root",
         writable_root, (("root.readonly", "false", "true"),),
         "cp /bin/busybox /opt/echo 2>/dev/null && /opt/echo ran; echo x > /tmp/x && echo volatile",
         rewrite="volatile", warn="ran\nvolatile"),
    Play("shared_propagation", "mounts", "rootfs.propagation", "a root whose mounts show on the host",
         lambda test, document: document["linux"].update(rootfsPropagation="rshared"),
         (("linux.rootfsPropagation", "rshared", "rprivate"),),
         "awk '$5 == \"/\"' /proc/self/mountinfo | grep -c -e shared: -e master: ; true", rewrite="0", warn="1"),
    Play("mount_propagation", "mounts", "mounts.propagation", "a mount with rshared",
         mounts(bind("$WORK/data", "/x", "rshared")),
         (("mounts[7].options", "bind ro nosuid nodev noexec rshared", "bind ro nosuid nodev noexec rprivate"),),
         "grep ' /x ' /proc/self/mountinfo | grep -c shared: ; true", rewrite="0", warn="1", before=directory("data")),
    Play("mount_idmap", "mounts", "mounts.idmap", "id mappings of a mount's own",
         mounts({**bind("$WORK/data", "/x", "idmap"), "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                 "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}),
         (("mounts[7]", "id mappings of its own", "the container's id range"),),
         "stat -c %u /x/file", rewrite="0", warn="65534", before=directory("data")),
    Play("unlimited_tmpfs", "limits", "mounts.tmpfs_size", "a tmpfs without a limit",
         mounts(plain("tmpfs", "/x", *OPTIONS.split(), "size=0")),
         (("mounts[7].options", OPTIONS + " size=0", OPTIONS),),
         "df -k /x | tail -1 | awk '{print $2}'", rewrite="8192", warn="0", policy={"tmpfsSize": "8m"}),
    Play("proc_of_everything", "views of the kernel unmasked", "mounts.proc_subset",
         "/proc with more than processes, where `procSubsetPid` is set",
         findings=(("mounts[0].options", "nosuid noexec nodev", "nosuid noexec nodev subset=pid"),),
         look="[ -e /proc/meminfo ] && echo all; ls -d /proc/self", rewrite="/proc/self", warn="all\n/proc/self",
         policy={"procSubsetPid": True}),
)
