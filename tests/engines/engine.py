"""A private node: real containerd and dockerd from Debian, at their usual paths, that leave nothing.

enter_node() moves the test process into mount and network namespaces of its own in which /run,
/etc, /var/lib/docker, /var/lib/containerd, /var/log and /srv are private. The engines therefore use
their default paths, as on a real node, while the host's own engines, addresses and packet filter
are untouched. Only cgroups are shared with the host: they live under /gabion-test-<pid>.

GABION_TEST_RUNTIME names the runtime under test (default: build/gabion of this tree). Under any other
runtime the tests of gabion's own promises are skipped and the rest is a control of the tests.
"""

import atexit
import ctypes
import fcntl
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
import urllib.request

import images
import releases

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNTIME = shutil.which(os.environ.get("GABION_TEST_RUNTIME", os.path.join(SOURCE, "build/gabion"))) or ""
IS_GABION = os.path.basename(RUNTIME).startswith("gabion")
# Debian's client: a newer one elsewhere on PATH would be another product under test.
DOCKER = os.environ.get("GABION_TEST_DOCKER", "/usr/bin/docker")
GROUP = f"gabion-test-{os.getpid()}"
BRIDGE = "10.213.7.1"
# containerd's, for those who need no CRI. oom_score: lowering it needs CAP_SYS_RESOURCE, which a CI machine may not have.
CONTAINERD = 'version = 2\noom_score = 0\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
CLONE_NEWNS, CLONE_NEWNET, PR_SET_CHILD_SUBREAPER = 0x00020000, 0x40000000, 36

only_gabion = unittest.skipUnless(IS_GABION, "asserts what gabion promises; another runtime is under test")


class Result:
    """What a command did. `out` and `err` are text without the final newline."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return f"{' '.join(self.command)}: exit {self.code}\n{self.out}\n{self.err}"


def run(*command, stdin=None, check=True, timeout=120):
    """Runs a command. With `check`, a non-zero exit fails the test and shows all output."""
    done = subprocess.run(command, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    result = Result(command, done.returncode, done.stdout.rstrip("\n"), done.stderr.rstrip("\n"))
    if check and result.code:
        raise AssertionError(str(result))
    return result


def eventually(probe, what, timeout=30):
    """Waits until probe() is true and returns its value; fails the test naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(0.05)


def docker(*arguments, **options):
    return run(DOCKER, *arguments, **options)


def ctr(*arguments, namespace=GROUP, **options):
    return run("ctr", "--namespace", namespace, *arguments, **options)


class Terminal:
    """A command on a pseudo-terminal of 40x100, for `-it`."""

    def __init__(self, *command):
        self.command, self.output = command, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.resize(40, 100)

    def resize(self, rows, columns):
        """Both at once: stty(1) sets one after the other, and who looks in between sees a size that is neither."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, timeout=20):
        """Reads until the output matches; the text up to the end of the match is consumed."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.output)):
            ready = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]
            try:
                data = os.read(self.fd, 65536) if ready else b""
            except OSError:  # EIO: the other side is closed
                data = b""
            if not data:
                raise AssertionError(f"{' '.join(self.command)}: no {pattern!r} in {self.output!r}")
            self.output += data.decode(errors="replace")
        self.output = self.output[match.end():]
        return match

    def wait(self, timeout=20):
        """The exit code of the command."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.05)[0]:  # a full terminal would block the command
                try:
                    self.output += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    pass
        raise AssertionError(f"{' '.join(self.command)}: still running after {timeout} s")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.pid = 0


class Node:
    """The private node, made once per test process; see enter_node()."""

    def __init__(self, whole):
        # These need the network, which the node does not have.
        self.archives = images.build() if whole else {"busybox": images.busybox()}
        self.releases = releases.build() if whole else {}
        self.work = tempfile.mkdtemp(prefix="gabion-test-", dir="/var/tmp")
        self.processes = {}
        self.loaded = set()
        self.owner = os.getpid()
        atexit.register(self.leave)
        self._enter()

    def _enter(self):
        libc = ctypes.CDLL(None, use_errno=True)
        # Shims are orphans by design; as their subreaper this process can wait for them at the end.
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if libc.unshare(CLONE_NEWNS | CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare: these tests need root")
        run("mount", "--make-rprivate", "/")
        run("ip", "link", "set", "lo", "up")
        for name in ("docker", "containerd", "srv", "logs"):
            os.mkdir(os.path.join(self.work, name))
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        os.mkdir("/run/lock", 0o1777)
        for path in ("/etc", "/var/lib", "/opt"):
            upper, work = (os.path.join(self.work, kind + path.replace("/", "-")) for kind in ("upper", "work"))
            os.mkdir(upper)
            os.mkdir(work)
            run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path)
        for source, path in (("docker", "/var/lib/docker"), ("containerd", "/var/lib/containerd"),
                             ("srv", "/srv"), ("logs", "/var/log")):
            os.makedirs(path, exist_ok=True)
            run("mount", "--bind", os.path.join(self.work, source), path)
        shutil.rmtree("/etc/gabion", ignore_errors=True)
        os.makedirs("/etc/docker", exist_ok=True)
        os.makedirs("/etc/containerd", exist_ok=True)
        # A resolver for the containers to inherit; the node has no way out.
        with open("/run/resolv.conf", "w", encoding="utf-8") as file:
            file.write("nameserver 192.0.2.53\nsearch gabion.test\n")
        if os.path.islink("/etc/resolv.conf"):
            os.unlink("/etc/resolv.conf")
        shutil.copy("/run/resolv.conf", "/etc/resolv.conf")

    def _spawn(self, name, command, ready, what):
        log_path = os.path.join(self.work, name + ".log")
        with open(log_path, "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes[name] = process

        def probe():
            if process.poll() is not None:
                raise AssertionError(f"{what} ended with {process.returncode}:\n{self.log(name)}")
            return ready()
        try:
            eventually(probe, what + " ready", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)}") from None

    def log(self, name, size=4000):
        with open(os.path.join(self.work, name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-size:]

    def start_containerd(self, config=CONTAINERD, tracer=()):
        """`tracer`: a command that runs it."""
        if "containerd" in self.processes:
            return
        if not os.access(RUNTIME, os.X_OK):
            raise AssertionError("no runtime under test: build gabion or set GABION_TEST_RUNTIME")
        with open("/etc/containerd/config.toml", "w", encoding="utf-8") as file:
            file.write(config)
        # Where it finds containerd-shim-gabion-v2.
        os.environ["PATH"] = os.path.dirname(RUNTIME) + ":" + os.environ["PATH"].removeprefix(os.path.dirname(RUNTIME) + ":")
        self._spawn("containerd", [*tracer, "containerd"], lambda: ctr("version", check=False).code == 0, "containerd")

    def start_docker(self):
        """containerd, and dockerd with the configuration of integration/docker."""
        if "dockerd" in self.processes:
            return
        self.start_containerd()
        with open(os.path.join(SOURCE, "integration/docker/daemon.json"), encoding="utf-8") as file:
            config = json.load(file)
        config["runtimes"]["gabion"]["path"] = RUNTIME
        config["default-runtime"] = "gabion"
        with open("/etc/docker/daemon.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        self._spawn("dockerd", ["dockerd", "--containerd", "/run/containerd/containerd.sock",
                                "--bip", f"{BRIDGE}/24", "--cgroup-parent", "/" + GROUP,
                                "--default-address-pool", "base=10.213.64.0/18,size=24",
                                "--oom-score-adjust", "0", "--shutdown-timeout", "5"],
                    lambda: docker("version", check=False).code == 0, "dockerd")

    def stop_process(self, name, timeout=30):
        process = self.processes.pop(name, None)
        if not process:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def image(self, name):
        """Makes sure Docker has <name>:test, built on the spot, and returns that name."""
        if name not in self.loaded:
            docker("load", "-i", self.archives[name], timeout=300)
            self.loaded.add(name)
        return name + ":test"

    # --- leaving ---

    def leave(self):
        if os.getpid() != self.owner:  # a forked child of a test
            return
        self.stop_process("dockerd")
        self.stop_process("containerd")
        self._kill_descendants()
        for path in ("/srv", "/var/log", "/var/lib/docker", "/var/lib/containerd", "/opt", "/var/lib", "/etc"):
            run("umount", "--recursive", "--lazy", path, check=False)
        remove_cgroups()
        shutil.rmtree(self.work, ignore_errors=True)

    def _kill_descendants(self):
        """Shims and containers that outlived their engine have become children of this process."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            children = [pid for pid, parent in process_parents().items() if parent == os.getpid()]
            if not children:
                return
            for pid in children:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass


def process_parents():
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        parents[int(path.split("/")[2])] = int(text[text.rindex(")") + 2:].split()[1])
    return parents


def cgroups():
    """Every cgroup directory of this test process's containers, deepest first."""
    found = set()
    for pattern in ("/sys/fs/cgroup/*/" + GROUP, "/sys/fs/cgroup/" + GROUP):
        for top in glob.glob(pattern):
            found.update(path for path, _, _ in os.walk(top))
    return sorted(found, key=len, reverse=True)


def remove_cgroups():
    for path in cgroups():
        try:
            os.rmdir(path)
        except OSError:
            pass


_node = None


def enter_node(whole=True):
    """The private node of this test process; made on the first call. Not whole: with busybox as its only image."""
    global _node  # one process, one node: namespaces are entered only once
    if _node is None:
        _node = Node(whole)
    return _node


class DockerCase(unittest.TestCase):
    """Tests on Docker. Containers, volumes and networks made through the helpers are removed.

    Debian 12's dockerd, which runs in the node; another one is another answer to the six questions that follow."""

    RUNTIME_STATE = "/run/docker/runtime-runc/moby"  # where the runtime keeps what it knows of Docker's containers

    @classmethod
    def setUpClass(cls):
        cls.node = enter_node()
        cls.start_engine()
        cls.image = cls.load("busybox")

    @classmethod
    def start_engine(cls):
        cls.node.start_docker()

    @classmethod
    def load(cls, name):
        """Makes sure Docker has an image of images.py; its name there."""
        return cls.node.image(name)

    @classmethod
    def client(cls):
        return (DOCKER,)

    @staticmethod
    def path(path):
        """A path of the daemon's, as this process finds it."""
        return path

    @staticmethod
    def get(url):
        """What a server on the daemon's network answers; OSError."""
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    # --- whichever it is ---

    @classmethod
    def docker(cls, *arguments, **options):
        return run(*cls.client(), *arguments, **options)

    def fetch(self, url):
        """The page, or "" while nothing answers."""
        try:
            return self.get(url)
        except OSError:
            return ""

    def containers_of_runtime(self):
        """What the runtime itself still lists."""
        return os.listdir(self.RUNTIME_STATE) if os.path.isdir(self.RUNTIME_STATE) else []

    def setUp(self):
        self.base = re.sub(r"[^a-z0-9]+", "-", self._testMethodName)[:40]
        self.volumes, self.networks, self.terminals = [], [], []
        self.addCleanup(self._remove)

    def _remove(self):
        for terminal in self.terminals:
            terminal.close()
        left = self.docker("ps", "-aq").out.split()
        if left:
            self.docker("rm", "-fv", *left)
        for volume in self.volumes:
            self.docker("volume", "rm", "-f", volume)
        for network in self.networks:
            self.docker("network", "rm", network)

    def name(self, suffix=""):
        return self.base + suffix

    def sh(self, script, *options, **keywords):
        """`docker run --rm OPTIONS busybox sh -c SCRIPT`."""
        return self.docker("run", "--rm", *options, self.image, "sh", "-c", script, **keywords)

    def daemon(self, *arguments, suffix="", image=None, options=()):
        """A container in the background; returns its name."""
        name = self.name(suffix)
        self.docker("run", "-d", "--name", name, *options, image or self.image, *arguments)
        return name

    def volume(self, suffix=""):
        volume = self.name(suffix)
        self.docker("volume", "create", volume)
        self.volumes.append(volume)
        return volume

    def network(self):
        self.docker("network", "create", self.name())
        self.networks.append(self.name())
        return self.name()

    def terminal(self, *command):
        self.terminals.append(Terminal(*command))
        return self.terminals[-1]

    def inspect(self, name, template):
        return self.docker("inspect", "-f", "{{" + template + "}}", name).out

    def state(self, name):
        return self.inspect(name, ".State.Status")

    def await_state(self, name, state, timeout=30):
        eventually(lambda: self.state(name) == state, f"{name} {state}", timeout)

    def await_page(self, port, text):
        try:
            eventually(lambda: self.fetch(f"http://{BRIDGE}:{port}/") == text, f"{text!r} on port {port}")
        except AssertionError as error:
            result = self.docker("logs", self.name())
            raise AssertionError(f"{error}\n{result.out}\n{result.err}") from None

    def assert_in_logs(self, name, text, timeout=30):
        def logs():
            result = self.docker("logs", name)
            return text in result.out + result.err
        eventually(logs, f"{text!r} in the logs of {name}", timeout)

    def assert_hardened(self, name):
        """What gabion promises of every container, asked from outside of its first process and from
        inside with `docker exec`. Under another runtime nothing is asked."""
        if not IS_GABION:
            return
        pid = self.inspect(name, ".State.Pid")
        assert_process_hardened(self, pid)
        status = self.docker("exec", name, "cat", "/proc/self/status").out
        assert_status_hardened(self, status)
        refused = self.docker("exec", "--user", "0", name, "sh", "-c", "echo x > /gabion-was-here", check=False)
        self.assertNotEqual(refused.code, 0, "the root is writable")


def assert_status_hardened(case, status, filters=2):
    """`filters`: the engine's seccomp filter, where it sends one, and gabion's own."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    case.assertEqual(fields["NoNewPrivs"], "1")
    case.assertEqual(fields["Seccomp"], "2")
    case.assertGreaterEqual(int(fields["Seccomp_filters"]), filters)
    for name in ("CapInh", "CapAmb"):
        case.assertEqual(int(fields[name], 16), 0, name)
    # Nothing beyond Docker's default 14 capabilities, and neither NET_RAW nor MKNOD.
    case.assertEqual(int(fields["CapBnd"], 16) & ~0xA80425FB, 0, fields["CapBnd"])
    for capability in (13, 27):
        case.assertFalse(int(fields["CapBnd"], 16) >> capability & 1, fields["CapBnd"])


def assert_process_hardened(case, pid, filters=2):
    """`pid` is a container's first process, seen from the host."""
    with open(f"/proc/{pid}/uid_map", encoding="utf-8") as file:
        first, host, count = map(int, file.readline().split())
    case.assertEqual(first, 0)
    case.assertGreaterEqual(host, 65536, "root of the container is a user of the host")
    case.assertEqual(count, 65536)
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        assert_status_hardened(case, file.read(), filters)
    for namespace in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        case.assertNotEqual(os.readlink(f"/proc/{pid}/ns/{namespace}"),
                            os.readlink(f"/proc/self/ns/{namespace}"), namespace)
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            point, options = fields[4], fields[5].split(",")
            if point == "/":
                case.assertIn("ro", options, "the root is writable")
            if "rw" in options:
                case.assertIn("noexec", options, f"{point} is writable and executable")
            case.assertIn("nosuid", options, point)
