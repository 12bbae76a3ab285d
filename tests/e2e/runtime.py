"""Real containers from bundles made on the spot, and the proof that nothing of them is left.

Every case has its own directory, --root, audit log and cgroup. Detached containers become children
of the test (it is their subreaper), so that a process that was forgotten is seen. On the way out each
case deletes what it made with `delete --force` and then demands that there is no process, cgroup,
mount, id range or state directory left.

GABION_TEST_RUNTIME names the runtime (default: build/gabion). Under any other runtime the cases of
gabion's own promises are skipped, and the rest is a control of the tests.
"""

import atexit
import copy
import ctypes
import glob
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME = shutil.which(os.environ.get("GABION_TEST_RUNTIME", os.path.join(SOURCE, "build/gabion"))) or ""
IS_GABION = os.path.basename(RUNTIME).startswith("gabion")
GROUP = f"gabion-e2e-{os.getpid()}"
IDS = "/run/gabion/ids"
GAPS = "/run/gabion/gaps"
PR_SET_CHILD_SUBREAPER = 36

# The 14 that Docker gives.
DOCKER_CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
    "KILL AUDIT_WRITE").split()]
ALL_CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
    "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF "
    "CHECKPOINT_RESTORE").split()]

only_gabion = unittest.skipUnless(IS_GABION, "asserts what gabion promises; another runtime is under test")

_libc = ctypes.CDLL(None, use_errno=True)
# landlock_create_ruleset(2) for its version, and PR_GET_MDWE.
HAS_LANDLOCK = _libc.syscall(444, None, 0, 1) > 0
HAS_MDWE = _libc.prctl(66, 0, 0, 0, 0) >= 0
needs_landlock = unittest.skipUnless(HAS_LANDLOCK, "this kernel has no Landlock, or has it off")
# The tier `maximum` requires both.
needs_maximum = unittest.skipUnless(HAS_LANDLOCK and HAS_MDWE, "`maximum` needs Landlock and Linux 6.3")

_shared = None


def _remove_shared():
    for path in glob.glob(f"/sys/fs/cgroup/*/{GROUP}") + glob.glob(f"/sys/fs/cgroup/{GROUP}"):
        try:
            os.rmdir(path)
        except OSError:
            pass
    shutil.rmtree(_shared, ignore_errors=True)


def shared():
    """A directory for what all cases of the process use: the probe."""
    global _shared
    if _shared is None:
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
        _shared = tempfile.mkdtemp(prefix="gabion-e2e-shared.", dir="/var/tmp")
        atexit.register(_remove_shared)
        made = os.environ.get("GABION_TEST_PROBE")  # where there is no compiler
        if made:
            shutil.copy2(made, _shared + "/probe")
        else:
            subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", _shared + "/probe",
                            os.path.join(HERE, "probe.c")], check=True)
    return _shared


def spec(*args):
    """What an engine would send: Docker's defaults in short."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(args) or ["sleep", "1000"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"], "cwd": "/",
            "capabilities": {name: list(DOCKER_CAPABILITIES) for name in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs"},
        "hostname": "e2e",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount")],
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                        "syscalls": [{"names": ["acct", "swapon"], "action": "SCMP_ACT_ERRNO"}]},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


APPLETS = ("awk cat chmod chown cmp cp cut date dd df dmesg echo env false find free grep head hostname id ifconfig "
           "ip kill ln ls mkdir mkfifo mknod mktemp more mount mv nc nproc nslookup od ping ps pwd readlink realpath "
           "rm rmdir sed seq setsid sh sleep sort stat stty su sync tail tee test touch tr true tty umount uname "
           "unshare usleep vi wc xargs yes [").split()


def make_root(root):
    """A root file system of Debian's static busybox and the probe."""
    for name in ("bin", "etc", "proc", "sys", "dev", "run", "root", "home", "tmp", "var/log", "var/www", "opt"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    shutil.copy2("/bin/busybox", root + "/bin/busybox")
    shutil.copy2(shared() + "/probe", root + "/bin/probe")
    for name in APPLETS:
        os.symlink("busybox", f"{root}/bin/{name}")
    for name, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n"),
                       ("etc/group", "root:x:0:\nuser:x:1000:\n"), ("etc/resolv.conf", "nameserver 192.0.2.1\n"),
                       ("var/www/page", "from the image\n"), ("etc/plain", "plain\n")):
        with open(os.path.join(root, name), "w", encoding="utf-8") as file:
            file.write(text)


def digest(path):
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def config_of(bundle):
    """Its config.json."""
    with open(bundle + "/config.json", encoding="utf-8") as file:
        return json.load(file)


def own_capabilities():
    """What this process may give away: the machine of the tests may lack some."""
    with open("/proc/self/status", encoding="utf-8") as file:
        sets = int(next(line for line in file if line.startswith("CapPrm:")).split()[1], 16)
    return [name for number, name in enumerate(ALL_CAPABILITIES) if sets >> number & 1]


class Result:
    """What a command did. `out` and `err` are text without the final newline."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return f"{' '.join(self.command)}: exit {self.code}\n{self.out}\n{self.err}"

    @property
    def lines(self):
        return self.out.splitlines()


_children = threading.Lock()
_known = set()


class Process(subprocess.Popen):
    """A Popen whose exit status reap() leaves alone."""

    def __init__(self, *arguments, **options):
        with _children:
            super().__init__(*arguments, **options)
            _known.add(self.pid)

    def finish(self, timeout):
        """The exit code, reaping orphans meanwhile; None when it still runs after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        pidfd = os.pidfd_open(self.pid)
        try:
            while not select.select([pidfd], [], [], 0.05)[0]:
                reap()
                if time.monotonic() > deadline:
                    return None
        finally:
            os.close(pidfd)
        return self.wait()


def _own(zombies):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[1]) == os.getpid() and (fields[0] in "ZX") == zombies:
            found.append(int(name))
    return found


def own_processes():
    """Pids of this process's children that are no zombies."""
    return _own(zombies=False)


def reap():
    """What an engine's shim does: while a zombie of a pid namespace is not waited for, its init cannot end."""
    with _children:
        for pid in set(_own(zombies=True)) - _known:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"


def wait_until(condition, seconds=10.0):
    """The condition's value as soon as it is true, or the last one."""
    deadline = time.monotonic() + seconds
    while True:
        reap()
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


class Case(unittest.TestCase):
    policy = None  # a policy document (or a tier's name); None: the built-in default

    def setUp(self):
        if not RUNTIME:
            self.fail("no runtime: build it, or set GABION_TEST_RUNTIME")
        if os.geteuid() != 0:
            self.skipTest("needs root")
        shared()
        self.work = tempfile.mkdtemp(prefix="gabion-e2e.", dir="/var/tmp")
        self.root = self.work + "/state"
        self.audit = self.work + "/audit.jsonl"
        self.ids = set()
        self.count = 0
        self.policy_file = None
        if self.policy is not None:
            self.use_policy(self.policy)
        self.addCleanup(self.leave)

    # --- making ---------------------------------------------------------------------------------

    def use_policy(self, policy):
        if isinstance(policy, str):
            policy = {"extends": policy}
        self.policy_file = self.work + "/policy.json"
        with open(self.policy_file, "w", encoding="utf-8") as file:
            json.dump(policy, file)

    def new_id(self):
        self.count += 1
        name = f"c{self.count}"
        self.ids.add(name)
        return name

    def bundle(self, *args, edit=None, root=True, **process):
        """A bundle directory; `edit` changes the spec in place, `process` fields of process."""
        name = self.new_id()
        directory = f"{self.work}/bundle-{name}"
        os.mkdir(directory)
        if root:
            make_root(directory + "/rootfs")
        document = copy.deepcopy(spec(*args))
        document["process"].update(process)
        document["linux"]["cgroupsPath"] = f"/{GROUP}/{os.path.basename(self.work)}-{name}"
        if edit:
            edit(document)
        self.write_config(directory, document)
        return name, directory

    @staticmethod
    def write_config(directory, document):
        with open(directory + "/config.json", "w", encoding="utf-8") as file:
            json.dump(document, file)

    # --- running --------------------------------------------------------------------------------

    def command(self, *words):
        own = ["--audit", self.audit] if IS_GABION else []
        if IS_GABION and self.policy_file:
            own += ["--policy", self.policy_file]
        return [RUNTIME, "--root", self.root, *own, *map(str, words)]

    def gabion(self, *words, check=True, stdin="", timeout=60, **options):
        """Runs the runtime. Output goes through files: a detached container may keep a pipe open."""
        command = self.command(*words)
        with tempfile.TemporaryFile(dir=self.work) as out, tempfile.TemporaryFile(dir=self.work) as err, \
                tempfile.TemporaryFile(dir=self.work) as into:
            into.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            into.seek(0)
            process = Process(command, stdin=into, stdout=out, stderr=err, **options)
            code = process.finish(timeout)
            if code is None:
                process.kill()
                process.wait()
                self.fail(f"{' '.join(command)}: still running after {timeout} s")
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace").rstrip("\n"))
        result = Result(command, code, *texts)
        if check and result.code != 0:
            self.fail(str(result))
        return result

    def inside(self, *args, edit=None, check=True, flags=(), **process):
        """A foreground run of the words in a new container."""
        name, directory = self.bundle(*args, edit=edit, **process)
        return self.gabion("run", "--bundle", directory, *flags, name, check=check)

    def script(self, text, **options):
        return self.inside("sh", "-c", text, **options)

    def running(self, *args, edit=None, flags=(), **process):
        """A detached container: its id."""
        name, directory = self.bundle(*args, edit=edit, **process)
        self.gabion("run", "--detach", "--bundle", directory, *flags, name)
        return name

    def created(self, *args, edit=None, flags=(), **process):
        name, directory = self.bundle(*args, edit=edit, **process)
        self.gabion("create", "--bundle", directory, *flags, name)
        return name

    def execute(self, name, *args, flags=(), check=True, **options):
        return self.gabion("exec", *flags, name, *args, check=check, **options)

    def state(self, name):
        return json.loads(self.gabion("state", name).out)

    def status(self, name):
        return self.state(name)["status"]

    def wait_status(self, name, wanted):
        seen = wait_until(lambda: (lambda now: now if now == wanted else "")(self.status(name)))
        self.assertEqual(seen or self.status(name), wanted)

    def refused(self, result, *texts):
        self.assertNotEqual(result.code, 0, str(result))
        words = result.err.replace('\\"', '"')
        for text in texts:
            self.assertIn(text, words)
        return result

    def events(self):
        with open(self.audit, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    # --- leaving --------------------------------------------------------------------------------

    def cgroups(self, name="*"):
        found = []
        for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/*"):
            found += glob.glob(f"{base}/{GROUP}/{os.path.basename(self.work)}-{name}")
        return found

    def id_links(self):
        found = []
        for name in os.listdir(IDS) if os.path.isdir(IDS) else ():
            try:
                target = os.readlink(os.path.join(IDS, name))
            except OSError:
                continue
            if target.startswith(self.root + "/"):
                found.append(name)
        return found

    def leftovers(self):
        """Everything that still exists of this case's containers, in words."""
        found = [f"state {name}" for name in (os.listdir(self.root) if os.path.isdir(self.root) else ())]
        found += [f"cgroup {path}" for path in self.cgroups()]
        found += [f"id range {name}" for name in self.id_links()]
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            found += [f"mount {line.split()[4]}" for line in file if self.work in line]
        found += [f"process {pid}: {command_line(pid)}" for pid in own_processes()]
        return found

    def assert_clean(self, message=""):
        """Nothing is left. A killed process may need a moment to be gone."""
        if not wait_until(lambda: not self.leftovers(), 3):
            self.fail(f"{message} left behind: {self.leftovers()}")

    def leave(self):
        try:
            names = self.ids | {name for name in (os.listdir(self.root) if os.path.isdir(self.root) else ())
                                if not name.startswith("~")}
            reap()
            for name in sorted(names):
                done = self.gabion("delete", "--force", name, check=False)
                self.assertEqual(done.code, 0, str(done))
            self.assert_clean()
        finally:
            for pid in own_processes():
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not own_processes(), 2)
            # A failed case must not fail the next ones, nor litter the node.
            for path in self.cgroups():
                for directory, _, _ in os.walk(path, topdown=False):
                    try:
                        os.rmdir(directory)
                    except OSError:
                        pass
            for name in self.id_links():
                os.unlink(os.path.join(IDS, name))
            # What a log that is about to go has missed.
            for note in glob.glob(GAPS + "/gap" + self.work.replace("/", "-") + "*"):
                os.unlink(note)
            shutil.rmtree(self.work, ignore_errors=True)
