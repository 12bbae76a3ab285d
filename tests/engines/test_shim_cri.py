"""gabion's shim under containerd's CRI plug-in, which the kubelet drives: pods, not containers, on containerd 1.6, 1.7 and
2.x."""

import glob
import json
import os
import re
import signal
import time
import unittest
import urllib.request

import cri
import cri_node
from engine import GROUP, IS_GABION, assert_process_hardened, assert_status_hardened, cgroups, eventually, process_parents
from test_shim import SOCKETS

IMAGE = "docker.io/library/busybox:test"
STATE = "/run/gabion/containerd/" + cri_node.NAMESPACE
LOGS = "/var/log/pods"
RUNNING, EXITED = 1, 2  # ContainerState
READY, NOT_READY = 0, 1  # PodSandboxState
SHARED, OWN, HOST = 0, 1, 2  # NamespaceMode: the pod's, the container's, the node's


def shims():
    """Pids of the shims that have become children of this process, their subreaper."""
    found = []
    for pid, parent in process_parents().items():
        if parent != os.getpid():
            continue
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if os.path.basename(file.read().split(b"\0")[0]) == b"containerd-shim-gabion-v2":
                found.append(pid)
    return found


def is_copier(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
        return file.read() == "gabion-copier\n"


def entries(directory):
    return os.listdir(directory) if os.path.isdir(directory) else []


class Pod:
    """A pod sandbox, its name that of the test."""

    def __init__(self, case, suffix="", pid=OWN, network=SHARED, userns=None, handler="gabion", **security):
        self.case, self.name = case, case.id + suffix
        self.namespaces = {"pid": pid, "network": network} | ({"userns_options": userns} if userns else {})
        self.directory = f"{LOGS}/{self.name}"
        self.config = {
            "metadata": {"name": self.name, "uid": "uid-" + self.name, "namespace": "tests", "attempt": 0},
            "hostname": "" if network == HOST else "pod", "log_directory": self.directory, "dns_config": {"servers": ["192.0.2.53"]},
            "linux": {"cgroup_parent": f"/{GROUP}/pod-{self.name}",
                      "security_context": {"namespace_options": self.namespaces, "seccomp": {"profile_type": 0}}
                                          | security}}
        self.id = case.call("RunPodSandbox", config=self.config, runtime_handler=handler)["pod_sandbox_id"]

    def status(self):
        return self.case.call("PodSandboxStatus", pod_sandbox_id=self.id)["status"]

    def ip(self):
        return self.status()["network"]["ip"]

    def create(self, name, *command, resources=None, mounts=(), **security):
        container = {"metadata": {"name": name, "attempt": 0}, "image": {"image": IMAGE}, "command": list(command),
                     "log_path": name + ".log", "mounts": list(mounts),
                     "linux": {"resources": resources or {},
                               "security_context": {"namespace_options": self.namespaces, "seccomp": {"profile_type": 0}}
                                                   | security}}
        created = self.case.call("CreateContainer", pod_sandbox_id=self.id, config=container, sandbox_config=self.config)
        return Container(self, name, created["container_id"])

    def start(self, name, *command, **options):
        container = self.create(name, *command, **options)
        self.case.call("StartContainer", container_id=container.id)
        return container

    def stop(self):
        self.case.call("StopPodSandbox", pod_sandbox_id=self.id)

    def remove(self):
        self.case.call("RemovePodSandbox", pod_sandbox_id=self.id)


class Container:
    def __init__(self, pod, name, identity):
        self.pod, self.name, self.id = pod, name, identity
        self.call = pod.case.call

    def status(self):
        return self.call("ContainerStatus", container_id=self.id)["status"]

    def pid(self):
        status = self.call("ContainerStatus", container_id=self.id, verbose=True)
        return json.loads(status["info"]["info"])["pid"]

    def await_end(self):
        eventually(lambda: self.status()["state"] == EXITED, f"{self.name} has ended")
        return self.status()

    def exec(self, *command, seconds=0):
        """0: for as long as it takes."""
        return self.call("ExecSync", container_id=self.id, cmd=list(command), timeout=seconds)

    def sh(self, script):
        """The output of a script; it must succeed."""
        done = self.exec("sh", "-c", script)
        self.pod.case.assertEqual(done["exit_code"], 0, done)
        return done["stdout"].decode().strip()

    def log(self):
        """[(stream, text)], the times and tags looked at."""
        with open(f"{self.pod.case.host.root}{self.pod.directory}/{self.name}.log", encoding="utf-8") as file:
            lines = file.read().splitlines()
        found = []
        for line in lines:
            match = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\S* (stdout|stderr) [FP] (.*)", line)
            self.pod.case.assertTrue(match, line)
            found.append(match.groups())
        return found

    def stop(self, timeout=0):
        self.call("StopContainer", container_id=self.id, timeout=timeout)

    def remove(self):
        self.call("RemoveContainer", container_id=self.id)

    def cgroup(self, controller, name):
        """A file of its control group."""
        (path,) = glob.glob(f"/sys/fs/cgroup/{controller}/{GROUP}/pod-{self.pod.name}/{self.id}/{name}")
        with open(path, encoding="ascii") as file:
            return file.read().strip()


LAST_WORDS = ("sh", "-c", "trap 'echo last words; exit 9' TERM; while :; do sleep 0.05; done")


def end(pid):
    """A container, of whose end nobody tells."""
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not os.path.exists(f"/proc/{pid}/root/bin"), "its end, meanwhile")


class Kubelet:
    """What every containerd must do. Each class starts its own once."""

    version = ""

    @staticmethod
    def make_host():
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.host = cls.make_host()
        cls.addClassCleanup(cls.host.remove)
        cls.connect()
        cls.host.import_images()
        for image in (IMAGE, cri_node.PAUSE):
            eventually(lambda name=image: cls.call("ImageStatus", service="ImageService", image={"image": name})["image"],
                       f"the CRI plug-in knows {image}")

    @classmethod
    def connect(cls, **options):
        cls.host.start(**options)
        cls.client = cri.Client(cls.host.root + "/run/containerd/containerd.sock")


        def version():
            try:
                return cls.client.call("Version")["runtime_version"]
            except cri.CriError as error:  # it serves later than containerd itself, and first says that it does not
                last.append(str(error))
                return ""
        last = []
        try:
            cls.runtime_version = eventually(version, "the CRI plug-in")
        except AssertionError:
            raise AssertionError(f"{last[-1]}\n{cls.host.text()}") from None

    @classmethod
    def disconnect(cls):
        cls.client.close()
        cls.host.stop()

    @classmethod
    def call(cls, method, **request):
        try:
            return cls.client.call(method, **request)
        except cri.CriError as error:
            error.add_note(cls.host.text())
            raise

    def setUp(self):
        self.id = self._testMethodName.replace("_", "-")

    def tearDown(self):
        for pod in self.call("ListPodSandbox")["items"]:
            self.call("StopPodSandbox", pod_sandbox_id=pod["id"])
            self.call("RemovePodSandbox", pod_sandbox_id=pod["id"])
        for path in cgroups():  # the pods' own, which a kubelet makes and removes
            if os.path.basename(path).startswith("pod-"):
                eventually(lambda path=path: self.remove_cgroup(path), path)
        self.assert_nothing_left()

    @staticmethod
    def remove_cgroup(path):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def set_policy(self, policy, name="policy.json"):
        path = self.host.root + "/etc/gabion/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.addCleanup(os.unlink, path)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)

    def assert_nothing_left(self):
        eventually(lambda: not shims(), "no shim left")
        eventually(lambda: not entries(SOCKETS), "no socket left")
        self.assertEqual(entries(STATE), [])
        self.assertEqual([path for path in cgroups() if re.fullmatch("[0-9a-f]{64}", os.path.basename(path))], [])
        self.assertEqual(self.call("ListContainers")["containers"], [])
        self.assertEqual(entries(self.host.root + "/run/netns"), [])
        leases = entries(self.host.root + "/var/lib/cni/networks/pods")
        self.assertEqual([name for name in leases if name[0].isdigit()], [])
        with open(f"/proc/{self.host.pid}/mountinfo", encoding="utf-8") as file:
            left = [line for line in file if re.search("sandboxes|/netns|io.containerd.runtime.v2.task", line)
                    and "/run/docker/" not in line]
        self.assertEqual(left, [])

    def test_version_and_handler(self):
        self.assertRegex(self.runtime_version, r"^v?" + self.version)
        conditions = self.call("Status")["status"]["conditions"]
        ready = {condition["type"]: condition["status"] for condition in conditions}
        self.assertEqual((ready["RuntimeReady"], ready["NetworkReady"]), (1, 1))

    def test_a_pod_of_two(self):
        pod = Pod(self)
        self.assertEqual(pod.status()["state"], READY)
        self.assertEqual(pod.status()["runtime_handler"], "gabion")
        web = pod.start("web", "sh", "-c", "mkdir -p /tmp/www; echo page > /tmp/www/index.html; "
                                           "exec httpd -f -p 8080 -h /tmp/www")
        other = pod.start("other", "sleep", "1000")
        self.assertEqual(len(shims()), 1)
        eventually(lambda: other.exec("wget", "-qO-", "http://127.0.0.1:8080/")["stdout"] == b"page\n",
                   "the page, at localhost")
        with urllib.request.urlopen(f"http://{pod.ip()}:8080/", timeout=5) as answer:
            self.assertEqual(answer.read(), b"page\n")
        for name in ("net", "ipc", "uts"):
            self.assertEqual(*(os.readlink(f"/proc/{one.pid()}/ns/{name}") for one in (web, other)))
        for name in ("mnt", "pid", "cgroup"):
            self.assertNotEqual(*(os.readlink(f"/proc/{one.pid()}/ns/{name}") for one in (web, other)))
        self.assertEqual(other.sh("hostname"), "pod")
        # What the pod shares: memory, and the files that name it.
        web.sh("echo shared > /dev/shm/word; chmod 600 /dev/shm/word")
        self.assertEqual(other.sh("cat /dev/shm/word"), "shared")
        self.assertIn("192.0.2.53", other.sh("cat /etc/resolv.conf"))

    def test_hardened(self):
        """Each container of a pod, and what holds its namespaces."""
        pod = Pod(self)
        containers = [pod.start(name, "sleep", "1000") for name in ("one", "two")]
        (shim,) = shims()

        def children():
            return [pid for pid, parent in process_parents().items() if parent == shim and not is_copier(pid)]
        eventually(lambda: len(children()) == 3, "the pod's three processes, and no worker of the shim's")
        processes = children()
        self.assertLess({container.pid() for container in containers}, set(processes))
        for pid in processes:
            assert_process_hardened(self, pid)
        for container in containers:
            self.assertNotEqual(container.exec("sh", "-c", "echo x > /etc/x")["exit_code"], 0)
            assert_status_hardened(self, container.sh("cat /proc/self/status"))
        ranges = {container.sh("cat /proc/self/uid_map") for container in containers}
        self.assertEqual(len(ranges), 2, ranges)

    def test_user_and_capabilities(self):
        pod = Pod(self)
        container = pod.start("user", "sleep", "1000", run_as_user={"value": 1000},
                              capabilities={"add_capabilities": ["SYS_ADMIN", "NET_RAW"]})
        self.assertEqual(container.sh("id -u; id -g"), "1000\n1000")
        assert_process_hardened(self, container.pid())

    def test_logs(self):
        pod = Pod(self)
        container = pod.start("talks", "sh", "-c", "echo out; echo err >&2; while ! [ -e /tmp/go ]; do sleep 0.1; done; "
                                                   "echo again; printf rest")
        eventually(lambda: sorted(container.log()) == [("stderr", "err"), ("stdout", "out")], "the first lines")
        # As the kubelet rotates a log.
        log = f"{self.host.root}{pod.directory}/talks.log"
        os.rename(log, log + ".1")
        self.call("ReopenContainerLog", container_id=container.id)
        container.sh("touch /tmp/go")
        container.await_end()
        self.assertEqual(container.log(), [("stdout", "again"), ("stdout", "rest")])

    def test_exec(self):
        pod = Pod(self)
        container = pod.start("main", "sleep", "1000")
        done = container.exec("sh", "-c", "echo out; echo err >&2; exit 5")
        self.assertEqual((done["stdout"], done["stderr"], done["exit_code"]), (b"out\n", b"err\n", 5))
        # There is no standard input, and so it is at its end.
        self.assertEqual(container.exec("cat")["stdout"], b"")
        with self.assertRaisesRegex(cri.CriError, "no such file or directory|executable file not found"):
            container.exec("/no/such/program")
        size = 1 << 20
        self.assertEqual(len(container.exec("head", "-c", str(size), "/dev/zero")["stdout"]), size)
        with self.assertRaisesRegex(cri.CriError, "timeout|deadline"):
            container.exec("sleep", "1000", seconds=1)
        self.assertEqual(container.sh("ps | grep -c '[s]leep 1000'"), "1")

    def test_exec_with_a_terminal(self):
        """kubectl exec -it."""
        pod = Pod(self)
        container = pod.start("main", "sleep", "1000")
        stream = cri.Stream(self.call("Exec", container_id=container.id, cmd=["sh"], tty=True, stdin=True, stdout=True)["url"])
        self.addCleanup(stream.close)
        stream.expect(rb"# ")
        stream.send(stream.RESIZE, b'{"Width":100,"Height":40}')
        container.sh("sleep 0.2")  # until it has: the two are not in order
        stream.send(stream.STDIN, b"tty; stty size\n")
        stream.expect(rb"/dev/pts/\d+\s+40 100")
        stream.send(stream.STDIN, b"exit 6\n")
        self.assertEqual(stream.exit_code(), 6)

    def test_ends(self):
        pod = Pod(self)
        for name, script, code, reason in (("well", "exit 0", 0, "Completed"), ("ill", "exit 3", 3, "Error"),
                                           ("killed", "kill -9 $$", 137, "Error"),
                                           ("oom", "x=a; while :; do x=$x$x; done", 137, "OOMKilled")):
            # In a process of its own: a container's first is deaf to its own signals.
            container = pod.start(name, "sh", "-c", f"sh -c '{script}'; exit $?" if name == "killed" else script,
                                  resources={"memory_limit_in_bytes": 16 << 20})
            status = container.await_end()
            self.assertEqual((status["exit_code"], status["reason"]), (code, reason), name)
            self.assertLessEqual(status["created_at"], status["finished_at"])

    def test_stop(self):
        pod = Pod(self)
        polite = pod.start("polite", "sh", "-c", "trap 'exit 7' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        deaf = pod.start("deaf", "sh", "-c", "trap '' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        for container in (polite, deaf):
            eventually(lambda one=container: one.exec("test", "-e", "/tmp/ready")["exit_code"] == 0, "ready")
        polite.stop(20)
        self.assertEqual(polite.status()["exit_code"], 7)
        begun = time.monotonic()
        deaf.stop(1)
        self.assertEqual(deaf.status()["exit_code"], 137)
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        for container in (polite, deaf):
            container.remove()
        self.assertEqual(len(shims()), 1)
        again = pod.start("polite", "sleep", "1000")
        self.assertEqual(again.status()["state"], RUNNING)
        pod.stop()
        self.assertEqual(again.status()["state"], EXITED)
        self.assertEqual(pod.status()["state"], NOT_READY)
        pod.remove()
        self.assert_nothing_left()

    def test_stats(self):
        pod = Pod(self)
        container = pod.start("main", "sh", "-c", "while :; do :; done")

        def used():
            stats = self.call("ContainerStats", container_id=container.id)["stats"]
            self.assertEqual(stats["attributes"]["id"], container.id)
            return stats["cpu"] and stats["memory"] and (stats["cpu"]["usage_core_nano_seconds"]["value"],
                                                         stats["memory"]["working_set_bytes"]["value"])
        before = eventually(used, "statistics")
        eventually(lambda: used()[0] > before[0], "more of the processor's time")
        self.assertGreater(before[1], 4096)
        stats = self.call("PodSandboxStats", pod_sandbox_id=pod.id)["stats"]["linux"]
        self.assertGreater(stats["memory"]["working_set_bytes"]["value"], 4096)
        self.assertEqual([one["attributes"]["id"] for one in stats["containers"]], [container.id])

    def test_update(self):
        pod = Pod(self)
        container = pod.start("main", "sleep", "1000", resources={"memory_limit_in_bytes": 64 << 20, "cpu_shares": 512})
        self.assertEqual(container.cgroup("memory", "memory.limit_in_bytes"), str(64 << 20))
        self.call("UpdateContainerResources", container_id=container.id,
                  linux={"memory_limit_in_bytes": 96 << 20, "cpu_shares": 256})
        self.assertEqual(container.cgroup("memory", "memory.limit_in_bytes"), str(96 << 20))
        self.assertEqual(container.cgroup("cpu", "cpu.shares"), "256")

    def test_shared_processes(self):
        """shareProcessNamespace: each sees the others."""
        pod = Pod(self, pid=SHARED)
        one = pod.start("one", "sleep", "1001")
        two = pod.start("two", "sleep", "1002")
        self.assertEqual(os.readlink(f"/proc/{one.pid()}/ns/pid"), os.readlink(f"/proc/{two.pid()}/ns/pid"))
        self.assertEqual(two.sh("ps | grep -c '[s]leep 100[12]'"), "2")
        one.stop()
        self.assertEqual((one.status()["state"], two.status()["state"]), (EXITED, RUNNING))

    def test_volumes(self):
        """What a pod's containers share on disk has the ids that each of them sees."""
        volume = f"/var/lib/kubelet/pods/uid-{self.id}/volumes/kubernetes.io~empty-dir/cache"
        os.makedirs(self.host.root + volume)
        os.chmod(self.host.root + volume, 0o777)
        pod = Pod(self)
        shared = {"container_path": "/cache", "host_path": volume}
        one = pod.start("one", "sleep", "1000", mounts=[shared], run_as_user={"value": 1000})
        two = pod.start("two", "sleep", "1000", mounts=[shared | {"readonly": True}])
        one.sh("echo written > /cache/file")
        self.assertEqual(two.sh("cat /cache/file; stat -c %u /cache/file"), "written\n1000")
        self.assertEqual(os.stat(self.host.root + volume + "/file").st_uid, 1000)
        self.assertNotEqual(two.exec("touch", "/cache/other")["exit_code"], 0)

    def test_refusals(self):
        """Each with its reason, and nothing of it left."""
        pod = Pod(self, privileged=True)
        with self.assertRaisesRegex(cri.CriError, "privileged"):
            pod.start("main", "sleep", "1000", privileged=True)
        with self.assertRaisesRegex(cri.CriError, "host network"):
            Pod(self, "-host", network=HOST)
        with self.assertRaisesRegex(cri.CriError, "/etc"):
            pod.start("etc", "sleep", "1000", mounts=[{"container_path": "/host", "host_path": "/etc"}])
        self.assertEqual(len(shims()), 1)

    def test_namespaces_of_the_host_become_private(self):
        """hostPID."""
        pod = Pod(self, pid=HOST)
        container = pod.start("main", "sleep", "1000")
        self.assertNotEqual(os.readlink(f"/proc/{container.pid()}/ns/pid"), os.readlink("/proc/self/ns/pid"))
        self.assertEqual(container.sh("cat /proc/1/comm"), "sleep")

    def test_exception_for_a_container(self):
        """By what the CRI plug-in says of it, which its pod cannot forge."""
        self.set_policy({"extends": "restricted", "exceptions": [{
            "name": "ping", "reason": "a test", "capabilities": ["CAP_NET_RAW"],
            "match": {"engine": "cri", "kubernetesNamespace": "tests", "kubernetesContainer": "ping"}}]})
        pod = Pod(self)
        bounding = {}
        for name in ("ping", "main"):
            container = pod.start(name, "sleep", "1000", capabilities={"add_capabilities": ["NET_RAW"]})
            bounding[name] = int(container.sh("grep CapBnd /proc/self/status").split()[1], 16) >> 13 & 1
        self.assertEqual(bounding, {"ping": 1, "main": 0})

    def test_second_policy(self):
        """A runtime whose options name a policy of its own, by README's example, beside one with the node's."""
        self.set_policy({"extends": "restricted", "capabilities": []}, "strict.json")
        bounding = {}
        for handler in ("gabion", "gabion-strict"):
            container = Pod(self, "-" + handler, handler=handler).start("main", "sleep", "1000")
            bounding[handler] = int(container.sh("grep CapBnd /proc/self/status").split()[1], 16)
        self.assertNotEqual(bounding["gabion"], 0)
        self.assertEqual(bounding["gabion-strict"], 0)

    def test_containerd_is_started_again(self):
        """Nothing is lost: no output, no end, no container."""
        pod = Pod(self)
        lasts = pod.start("lasts", "sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")
        ends = pod.start("ends", *LAST_WORDS)
        pid, ending = lasts.pid(), ends.pid()
        self.disconnect()
        try:
            end(ending)
        finally:
            self.connect()
        self.assertEqual((lasts.pid(), lasts.status()["state"]), (pid, RUNNING))
        self.assertEqual(ends.await_end()["exit_code"], 9)
        eventually(lambda: ends.log() == [("stdout", "last words")], "what it said")
        self.assertEqual(pod.status()["state"], READY)
        self.assertEqual(lasts.sh("echo inside"), "inside")
        said = len(lasts.log())
        eventually(lambda: len(lasts.log()) > said + 2, "new lines in the log")
        numbers = [int(text) for _, text in lasts.log()]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertEqual(len(shims()), 1)

    def test_killed_shim(self):
        pod = Pod(self)
        container = pod.start("main", "sleep", "1000")
        pid = container.pid()
        for shim in shims():
            os.kill(shim, signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{pid}/root/bin"), "the container's process has ended")
        self.assertNotEqual(container.await_end()["exit_code"], 0)
        eventually(lambda: pod.status()["state"] == NOT_READY, "the pod is not ready")


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Containerd16(Kubelet, unittest.TestCase):
    version = r"1\.6\."
    make_host = staticmethod(cri_node.Debian12)

    def test_containerd_that_is_started_again_is_slow(self):
        """It opens the streams of a container in the background, by descriptor, and gives up what is not open yet when it
        finds that the container has ended."""
        container = Pod(self).start("ends", *LAST_WORDS)
        pid = container.pid()
        trace = self.host.node.work + "/slow"
        slowly = ["strace", "-D", "-f", "-qq", "-o", trace, "-e", "trace=openat", "-e", "inject=openat:delay_enter=50ms"]
        for number in range(5, 80):
            slowly += ["-P", f"/proc/self/fd/{number}"]
        self.disconnect()
        try:
            end(pid)
            self.connect(tracer=slowly)
            self.assertEqual(container.await_end()["exit_code"], 9)
            eventually(lambda: container.log() == [("stdout", "last words")], "what it said")
            with open(trace, encoding="utf-8") as file:
                self.assertIn("DELAYED", file.read())  # the numbers are these
            self.disconnect()
        finally:
            self.connect()


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Containerd17(Kubelet, unittest.TestCase):
    version = r"1\.7\."
    make_host = staticmethod(cri_node.trixie)


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Containerd2(Kubelet, unittest.TestCase):
    version = r"2\."
    make_host = staticmethod(cri_node.testing)

    def user_pod(self, first, suffix=""):
        """hostUsers: false, with ids of the kubelet's choice."""
        ids = [{"host_id": first, "container_id": 0, "length": 65536}]
        return Pod(self, suffix, handler="gabion-userns", userns={"mode": SHARED, "uids": ids, "gids": ids})

    def test_user_namespaces_are_offered(self):
        """The kubelet asks before it sends a pod with hostUsers: false."""
        features = {handler["name"]: handler["features"] for handler in self.call("Status")["runtime_handlers"]}
        self.assertEqual(features["gabion-userns"], {"recursive_read_only_mounts": 1, "user_namespaces": 1})

    def test_pod_with_a_user_namespace(self):
        first = 65536 * 100
        volume = f"/var/lib/kubelet/pods/uid-{self.id}/volumes/kubernetes.io~empty-dir/cache"
        os.makedirs(self.host.root + volume)
        os.chmod(self.host.root + volume, 0o777)
        ids = [{"host_id": first, "container_id": 0, "length": 65536}]
        mount = {"container_path": "/cache", "host_path": volume, "uidMappings": ids, "gidMappings": ids}
        pod = self.user_pod(first)
        one = pod.start("one", "sleep", "1000", mounts=[mount])
        two = pod.start("two", "sleep", "1000", mounts=[mount], run_as_user={"value": 1000})
        for container in (one, two):
            with open(f"/proc/{container.pid()}/uid_map", encoding="ascii") as file:
                self.assertEqual([int(word) for word in file.read().split()], [0, first, 65536])
            assert_process_hardened(self, container.pid())
            assert_status_hardened(self, container.sh("cat /proc/self/status"))
            # The image's files have the image's ids.
            self.assertEqual(container.sh("stat -c '%u:%g' / /etc /etc/passwd /seed/data /tmp /cache").split(),
                             ["0:0", "0:0", "0:0", "1000:1000", "0:0", "0:0"])
        self.assertEqual(os.readlink(f"/proc/{one.pid()}/ns/user"), os.readlink(f"/proc/{two.pid()}/ns/user"))
        self.assertEqual(os.stat(f"/proc/{two.pid()}").st_uid, first + 1000)
        two.sh("echo shared > /dev/shm/word; echo written > /cache/file; echo x > /tmp/x")
        self.assertEqual(one.sh("cat /dev/shm/word /cache/file; stat -c %u /dev/shm/word /cache/file").split(),
                         ["shared", "written", "1000", "1000"])
        self.assertEqual(os.stat(self.host.root + volume + "/file").st_uid, 1000)
        self.assertEqual(one.sh("cat /seed/data/seeded"), "from the image")

    def test_writable_root_with_a_user_namespace(self):
        self.set_policy({"extends": "development"})
        container = self.user_pod(65536 * 100).start("main", "sleep", "1000")
        self.assertEqual(container.sh("echo x > /new; echo more >> /etc/passwd; chown 1000 /new; "
                                      "stat -c '%u:%g' / /new /etc/passwd").split(), ["0:0", "1000:0", "0:0"])

    def test_ids_of_the_node_are_refused_to_a_pod(self):
        with self.assertRaisesRegex(cri.CriError, "the node gives to other containers"):
            self.user_pod(1879048192 + 65536)


if __name__ == "__main__":
    unittest.main()
