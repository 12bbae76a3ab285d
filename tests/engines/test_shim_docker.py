"""Docker 26 with gabion's own shim, as integration/docker/daemon-shim.json has it: the checks of test_docker_*.py that
touch what the shim does, and what is new with it."""

import json
import os
import signal
import unittest

import docker_tree
import test_docker_hardening
import test_docker_life
import test_docker_world
from engine import IS_GABION, enter_node, eventually

TREE = None  # one for all classes


def setUpModule():
    global TREE  # unittest's own form of what a module's tests share
    if not IS_GABION:
        raise unittest.SkipTest("gabion's own shim")
    TREE = docker_tree.DockerTree(enter_node(), "trixie")
    unittest.addModuleCleanup(TREE.remove)
    TREE.start()


class ShimCase(docker_tree.DockerOfTree):
    @classmethod
    def start_engine(cls):
        cls.tree = TREE

    def events_of(self, name):
        identity = self.inspect(name, ".Id")
        with open(self.path("/var/log/gabion/audit.jsonl"), encoding="utf-8") as file:
            return [event for event in map(json.loads, file) if event.get("container") == identity]


# Left out of the classes that follow: what is decided before a shim sees it, or waits long for what is tested elsewhere.

class Run(ShimCase, test_docker_life.Run):
    test_limits = test_shm_size = test_sysctl = None


class Lifecycle(ShimCase, test_docker_life.Lifecycle):
    AT_ONCE = 10
    test_process_limit = None


class Exec(ShimCase, test_docker_life.Exec):
    pass


class Network(ShimCase, test_docker_world.Network):
    test_ping = test_dns_and_hosts_options = test_no_network = None


class Files(ShimCase, test_docker_world.Files):
    test_bind_is_not_executable = test_bind_of_a_missing_source = test_device_numbers_are_not_a_way_out = None
    test_devices = test_read_only_root = None


class Promises(ShimCase, test_docker_hardening.Promises):
    """Of a container by default; what may be asked for is judged by the same code as behind containerd's shim."""

    test_added_capabilities_stay_out = test_devices_are_dropped_or_refused = test_host_ipc_and_uts = None
    test_host_network = test_masked_paths = test_sensitive_host_paths_are_refused = None

    def runtimes(self):
        return self.tree.shims()


class Shim(ShimCase):
    def test_both_names(self):
        for runtime in ("gabion", "io.containerd.gabion.v2"):
            with self.subTest(runtime):
                name = self.daemon("sleep", "1000", options=("--runtime", runtime), suffix=runtime)
                self.assertEqual(self.containers_of_runtime(), [self.inspect(name, ".Id")])
                self.assert_hardened(name)
                self.docker("rm", "-f", name)

    def test_a_policy_by_options(self):
        """daemon.json's `options` with ConfigPath."""
        self.tree.write("/etc/gabion/stricter.json", '{"extends": "restricted", "name": "stricter", "exec": false}')
        name = self.daemon("sleep", "1000", options=("--runtime", "stricter"))
        refused = self.docker("exec", name, "true", check=False)
        self.assertNotEqual(refused.code, 0)
        self.assertIn("exec.allowed", refused.out + refused.err)
        self.assertEqual(self.events_of(name)[0]["policy"]["name"], "stricter")
        os.unlink(self.path("/etc/gabion/stricter.json"))
        done = self.docker("run", "--rm", "--runtime", "stricter", self.image, "true", check=False)
        self.assertNotEqual(done.code, 0)
        self.assertIn("/etc/gabion/stricter.json", done.err)

    def test_engine_in_an_exception(self):
        """The engine is Docker, though the caller is a shim."""
        self.tree.write("/etc/gabion/policy.json", json.dumps({
            "extends": "restricted", "exceptions": [{"name": "network", "reason": "a test",
                                                     "match": {"engine": "docker"}, "hostNetwork": True}]}))
        self.addCleanup(os.unlink, self.path("/etc/gabion/policy.json"))
        self.assertIn("docker0", self.docker("run", "--rm", "--network", "host", self.image, "ip", "-o", "link").out)

    def test_exit_codes_in_the_audit_log(self):
        name = self.daemon("sh", "-c", "trap 'exit 8' TERM; echo up; while :; do sleep 0.1; done")
        self.assert_in_logs(name, "up")
        self.docker("exec", name, "sh", "-c", "exit 5", check=False)
        self.docker("stop", name)
        ends = [(event["event"], event["detail"].split(", ")[1]) for event in self.events_of(name)
                if event["event"].endswith(".exit")]
        self.assertEqual(ends, [("exec.exit", "status 5"), ("container.exit", "status 8")])

    def test_out_of_memory_in_the_audit_log(self):
        name = self.daemon("sh", "-c", "tail /dev/zero", options=("-m", "24m", "--memory-swap", "24m"))
        self.docker("wait", name)
        self.assertIn("container.oom", [event["event"] for event in self.events_of(name)])

    def test_dockerd_is_started_again(self):
        """With live-restore, containers go on, and what they say meanwhile is not lost."""
        names = [self.daemon("sh", "-c", "while [ ! -e /data/end ]; do echo tick >> /data/ticks; echo tick; sleep 0.1; "
                             "done; exit 7", suffix=suffix, options=("-v", self.volume(suffix) + ":/data"))
                 for suffix in ("-stays", "-ends")]
        pid = self.inspect(names[0], ".State.Pid")
        data = [self.path(f"/var/lib/docker/volumes/{self.name(suffix)}/_data") for suffix in ("-stays", "-ends")]
        self.tree.stop_daemon()
        with open(data[1] + "/end", "w", encoding="utf-8"):
            pass
        ticks = os.path.getsize(data[0] + "/ticks")
        eventually(lambda: os.path.getsize(data[0] + "/ticks") > ticks, "it goes on")
        self.tree.start_daemon()
        self.assertEqual(self.inspect(names[0], ".State.Pid"), pid)
        self.assertEqual(self.docker("exec", names[0], "echo", "inside").out, "inside")
        self.await_state(names[1], "exited")
        self.assertEqual(self.inspect(names[1], ".State.ExitCode"), "7")
        lines = len(self.docker("logs", names[0]).out.split())
        eventually(lambda: len(self.docker("logs", names[0]).out.split()) > lines, "its output is heard again")
        with open(data[0] + "/end", "w", encoding="utf-8"):
            pass
        self.assertEqual(self.docker("wait", names[0]).out, "7")

    def test_killed_shim(self):
        """Docker sees the container end; `rm` clears."""
        name = self.daemon("sh", "-c", "sleep 1000 & sleep 1000")
        pid = self.inspect(name, ".State.Pid")
        for shim in self.tree.shims():
            os.kill(shim, signal.SIGKILL)
        self.await_state(name, "exited")
        self.assertFalse(os.path.exists(f"/proc/{pid}/root/bin"), "its process has ended")
        self.docker("start", name)
        self.assertEqual(self.docker("exec", name, "echo", "again").out, "again")
        for shim in self.tree.shims():
            os.kill(shim, signal.SIGKILL)
        self.docker("rm", "-f", name)


if __name__ == "__main__":
    unittest.main()
