"""What the escape tests share: hostile bundles, the attacker, races, and what must never change.

Every case runs in a mount namespace of the suite's own, shared inside itself: what a runtime would let through to
"the host" shows in its mount table, and what other programs mount meanwhile does not. Before and after the
containers are deleted, the host is compared with what it was before the test.

The runtime is gabion and no other, but in the machines of tests/vm: a vulnerable one could be made to change the host.
An attack must be seen to work: each has a control, the same on a stand-in or without the defence. Controls write to
nothing but directories of the case.
"""

import contextlib
import ctypes
import fcntl
import glob
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from runtime import (  # noqa: E402,F401  pylint: disable=wrong-import-position,unused-import
    ALL_CAPABILITIES, Case, DOCKER_CAPABILITIES, IS_GABION, Process, RUNTIME, config_of, digest, own_capabilities,
    shared, wait_until)

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = "canary of the host\n"
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_SHARED = 0x20000, 0x4000, 1 << 18, 1 << 20
UNREADABLE = {"compact_memory", "drop_caches", "stat_refresh"}
SYSCTLS = ["/proc/sys/kernel/" + name for name in (
    "core_pattern core_uses_pid core_pipe_limit modprobe hotplug poweroff_cmd hostname domainname sysrq panic "
    "randomize_va_space kptr_restrict dmesg_restrict perf_event_paranoid shm_rmid_forced shmmax msgmax sem "
    "unprivileged_bpf_disabled modules_disabled kexec_load_disabled").split()]
SYSCTLS += ["/proc/sys/" + name for name in (
    "fs/suid_dumpable fs/protected_symlinks fs/protected_hardlinks fs/pipe-max-size fs/binfmt_misc/status "
    "net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_default_ttl").split()]
SYSCTLS += ["/sys/kernel/uevent_helper"]

with open("/proc/cmdline", encoding="utf-8") as _file:
    IN_MACHINE = "gabion-test-machine" in _file.read().split()  # MARK of tests/vm/machine.py

# Something of the kernel's that a link of an image's may name: only in the machine one that is the whole host's.
GLOBAL = "/proc/sys/kernel/core_pattern" if IN_MACHINE else "/proc/sys/kernel/domainname"

_attacker = None


def some(items, count=1):
    """All of them, or as many where a container takes seconds: in the emulated machine."""
    return items[:count] if IN_MACHINE else items


def attacker():
    """Enters the mount namespace and compiles the attacker, once: its path."""
    global _attacker
    if _attacker is None:
        libc = ctypes.CDLL(None, use_errno=True)
        for done in (libc.unshare(CLONE_NEWNS), libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None),
                     libc.mount(b"none", b"/", None, MS_REC | MS_SHARED, None)):
            if done != 0:
                raise OSError(ctypes.get_errno(), "a mount namespace of the suite's own")
        path = shared() + "/attack"
        made = os.environ.get("GABION_TEST_ATTACKER")  # where there is no compiler
        if made:
            shutil.copy2(made, path)
        else:
            subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", path, HERE + "/attacker.c"], check=True)
        _attacker = path
    return _attacker


def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        return f"({error.strerror})"


def tree(directory):
    """Everything below: names, kinds, modes, owners and contents."""
    found = {}
    for place, directories, files in os.walk(directory):
        for name in [".", *directories, *files]:
            path = os.path.normpath(os.path.join(place, name))
            info = os.lstat(path)
            regular = not os.path.islink(path) and os.path.isfile(path)
            found[path] = (info.st_mode, info.st_uid, info.st_gid, digest(path) if regular else "")
    return found


def mount_id(path):
    """Of what the path leads to, magic links included."""
    fd = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            return next(line.split()[1] for line in file if line.startswith("mnt_id"))
    finally:
        os.close(fd)


def bind(source, destination, *options):
    return {"destination": destination, "type": "bind", "source": source, "options": list(options) or ["rbind", "rw"]}


def tmpfs(destination):
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec"]}


def mounts_of(text):
    """mountinfo, as dictionaries."""
    found = []
    for line in text.splitlines():
        left, right = line.split(" - ", 1)
        fields = left.split()
        found.append({"id": fields[0], "parent": fields[1], "device": fields[2], "root": fields[3], "point": fields[4],
                      "options": fields[5].split(","), "type": right.split()[0], "super": right.split()[2].split(",")})
    return found


def without_mount(document, *destinations):
    document["mounts"] = [mount for mount in document["mounts"] if mount["destination"] not in destinations]


def grant(document, *capabilities):
    for kind in ("bounding", "effective", "permitted"):
        document["process"]["capabilities"][kind] = list(capabilities)


def everything(document):
    """All capabilities this machine gives, but the one that would make it --privileged; and no filter."""
    grant(document, *[name for name in own_capabilities() if name != "CAP_SYS_MODULE"])
    document["linux"].pop("seccomp")


class Escape(Case):
    def setUp(self):
        if RUNTIME and not IS_GABION and not IN_MACHINE:
            self.skipTest("these attacks could change the host under another runtime")
        self.outside = None
        self.addCleanup(self.end)  # after Case's own, which deletes the containers
        super().setUp()
        self.attack = attacker()
        # Beside the case's directory: nothing that belongs to a container is above, below or next to it.
        self.outside = tempfile.mkdtemp(prefix="gabion-escape-outside.", dir="/var/tmp")
        os.chmod(self.outside, 0o755)
        with open(self.outside + "/secret", "w", encoding="utf-8") as file:
            file.write(SECRET)
        os.chmod(self.outside + "/secret", 0o644)
        self.before = self.host()

    def end(self):
        try:
            self.compare()
        finally:
            if self.outside is not None:
                shutil.rmtree(self.outside)

    def tearDown(self):
        self.no_descriptor_of_the_host()
        self.compare(running=True)

    # --- what must not change --------------------------------------------------------------------

    def host(self):
        values = {path: text_of(path) for path in [*SYSCTLS, *glob.glob("/sys/fs/cgroup/*/release_agent")]}
        for path in glob.glob("/proc/sys/vm/*") + glob.glob("/proc/sys/user/*"):
            if os.path.basename(path) not in UNREADABLE:
                values[path] = text_of(path)
        return {"values": values, "mounts": text_of("/proc/self/mountinfo"), "runtime": digest(RUNTIME),
                "outside": tree(self.outside), "null": os.stat("/dev/null").st_rdev}

    def compare(self, running=False):
        """The host is as it was, and without containers nothing runs in their cgroups."""
        if self.outside is None:  # setUp() failed
            return
        now = self.host()
        for name, before in self.before.items():
            self.assertEqual(before, now[name], f"{name} of the host changed")
        if not running:
            self.assertEqual(self.processes(), [], "processes in the cgroups")

    def processes(self, name="*"):
        """Pids in the cgroups of this case's containers."""
        found = set()
        for directory in self.cgroups(name):
            for file in glob.glob(directory + "/**/cgroup.procs", recursive=True):
                found.update(number for number in text_of(file).split() if number.isdigit())
        return sorted(found)

    def no_descriptor_of_the_host(self):
        """No process of a container has a file open, or is in a directory, of a mount that is not the container's.

        Standard input and output are the caller's.
        """
        for pid in self.processes():
            try:
                own = {line.split()[0] for line in text_of(f"/proc/{pid}/mountinfo").splitlines()}
                places = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
                for place in [*places, f"/proc/{pid}/cwd", f"/proc/{pid}/root"]:
                    target = os.readlink(place)
                    if target.startswith("/"):
                        self.assertIn(mount_id(place), own, f"{place} of a container leads to {target} of the host")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile

    # --- what happens each time ------------------------------------------------------------------

    # Peers may do otherwise and hold all the same: of them only the outcome is asked.

    def stopped(self, done, *texts):
        if IS_GABION:
            self.refused(done, *texts)

    def came_through(self, done):
        if IS_GABION:
            self.assertEqual(done.code, 0, str(done))

    # --- playing ---------------------------------------------------------------------------------

    def bundle(self, *args, edit=None, root=True, **process):
        name, directory = super().bundle(*args, edit=edit, root=root, **process)
        if root:
            shutil.copy2(self.attack, directory + "/rootfs/bin/attack")
        return name, directory

    def directory(self, name):
        path = f"{self.work}/{name}"
        os.makedirs(path)
        os.chmod(path, 0o755)
        return path

    def replace(self, path, target):
        """A link of the image's in the place of whatever was there."""
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        os.symlink(target, path)

    def on_host(self, script, *words, check=True):
        """A control: shell commands in a mount namespace that ends with them. What they print."""
        done = subprocess.run(["unshare", "-m", "sh", "-ec", script, "sh", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def tried(self, names, container=None, **options):
        """What `attack try` says: in a container, or outside of all."""
        if container:
            text = self.execute(container, "attack", "try", *names, **options).out
        else:
            text = subprocess.run([self.attack, "try", *names], stdout=subprocess.PIPE, text=True, check=True).stdout
        return dict(line.split() for line in text.splitlines())

    @contextlib.contextmanager
    def process(self, *words, **options):
        """A process of the attacker's outside of containers, that is ended afterwards."""
        process = Process(words, stdin=subprocess.DEVNULL, **options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def swapping(self, first, second, at_least=500):
        """The two names are exchanged all the time, and that really happened."""
        count = f"{self.work}/swaps-{os.path.basename(first)}"
        begin = 0
        with self.process(self.attack, "swap", first, second, count):
            self.assertTrue(wait_until(lambda: self.swaps(count) > 0), "nothing was exchanged")
            begin = self.swaps(count)
            yield
            wait_until(lambda: self.swaps(count) - begin > at_least, 5)
        self.assertGreater(self.swaps(count) - begin, at_least)

    @staticmethod
    def swaps(path):
        text = text_of(path).strip()
        return int(text) if text.isdigit() else 0

    def foreign_mounts(self, mountinfo, *allowed):
        """Mounts in a container of the file system this case is on, from other places than those allowed."""
        info = os.stat(self.work)
        device = f"{os.major(info.st_dev)}:{os.minor(info.st_dev)}"
        return [mount for mount in mounts_of(mountinfo) if mount["device"] == device
                and not any(mount["root"] == path or mount["root"].startswith(path + "/") for path in allowed)]

    def on_terminal(self, *words, seconds=20):
        """A command whose controlling terminal is a new pty. (its output, what was typed into the terminal)"""
        master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(slave, termios.TCSANOW, settings)

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        process = Process(words, stdin=slave, stdout=slave, stderr=slave, preexec_fn=prepare)
        out, deadline = b"", time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                if select.select([master], [], [], 0.05)[0]:
                    out += os.read(master, 65536)
                elif process.poll() is not None:
                    break
            self.assertIsNotNone(process.poll(), f"still running: {out.decode(errors='replace')}")
            typed = os.read(slave, 65536) if select.select([slave], [], [], 0.1)[0] else b""
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(master)
            os.close(slave)
        return out.decode(errors="replace").replace("\r\n", "\n"), typed.decode(errors="replace")
