"""gabion's shim under the containerds of Debian's newer releases: 1.7, and 2.x with its bootstrap and its version 3."""

import json
import os
import signal
import unittest

import trees
from engine import IS_GABION, enter_node, eventually
from test_shim import SOCKETS, assert_nothing_left, shims

IMAGE = "docker.io/library/busybox:test"


class Version:
    suite = version = ""

    @classmethod
    def setUpClass(cls):
        cls.tree = trees.Tree(enter_node(), cls.suite)
        cls.addClassCleanup(cls.tree.remove)
        cls.tree.start()
        cls.ctr("image", "import", "/image.tar")

    @classmethod
    def ctr(cls, *arguments, **options):
        return cls.tree.ctr(*arguments, **options)

    def setUp(self):
        self.id = f"{self.suite}-{self._testMethodName}".replace("_", "-")

    def tearDown(self):
        for line in self.ctr("task", "ls").out.splitlines()[1:]:
            self.ctr("task", "rm", "-f", line.split()[0], check=False)
        for name in self.ctr("container", "ls", "-q").out.split():
            self.ctr("container", "rm", name, check=False)
        assert_nothing_left(self)

    def run_container(self, *arguments, options=(), **keywords):
        return self.ctr("run", "--runtime", "io.containerd.gabion.v2", *options, IMAGE, self.id, *arguments, **keywords)

    def state(self):
        for line in self.ctr("task", "ls").out.splitlines()[1:]:
            name, pid, state = line.split()[:3]
            if name == self.id:
                return int(pid), state
        return 0, "absent"

    def test_version(self):
        server = self.ctr("version").out.split("Server:")[1]
        self.assertRegex(server, r"Version:\s+v?" + self.version)

    def test_output_and_exit_code(self):
        done = self.run_container("sh", "-c", "echo out; echo err >&2; exit 3", options=("--rm",), check=False)
        self.assertEqual((done.out, done.code), ("out", 3))
        self.assertIn("err", done.err)

    def test_refusal(self):
        done = self.run_container("true", options=("--rm", "--privileged"), check=False)
        self.assertNotEqual(done.code, 0)
        self.assertIn("privileged", done.err)

    def test_life(self):
        self.run_container("sh", "-c", "trap 'exit 8' TERM; while :; do sleep 0.1; done", options=("-d",))
        pid, state = self.state()
        self.assertEqual(state, "RUNNING")
        done = self.ctr("task", "exec", "--exec-id", "one", self.id, "sh", "-c", "id -u; exit 5", check=False)
        self.assertEqual((done.out, done.code), ("0", 5))
        self.assertIn(str(pid), self.ctr("task", "ps", self.id).out)
        metrics = json.loads(self.ctr("task", "metrics", "--format", "json", self.id).out)
        self.assertGreaterEqual(metrics["pids"]["current"], 1)
        self.ctr("task", "pause", self.id)
        self.assertEqual(self.state()[1], "PAUSED")
        self.ctr("task", "resume", self.id)
        self.ctr("task", "kill", "-s", "SIGTERM", self.id)
        eventually(lambda: self.state()[1] == "STOPPED", "stopped")
        self.assertEqual(self.ctr("task", "rm", self.id, check=False).code, 0)

    def test_containerd_is_started_again(self):
        self.run_container("sleep", "1000", options=("-d",))
        before = self.state()
        self.tree.stop()
        os.kill(before[0], 0)
        self.tree.start()
        self.assertEqual(self.state(), before)
        self.assertEqual(self.ctr("task", "exec", "--exec-id", "one", self.id, "echo", "inside").out, "inside")

    def test_killed_shim(self):
        self.run_container("sleep", "1000", options=("-d",))
        pid = self.state()[0]
        for shim in shims():
            os.kill(shim, signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{pid}/root/bin"), "the container's process has ended")
        eventually(lambda: self.state()[1] in ("absent", "STOPPED"), "containerd knows")
        eventually(lambda: not os.listdir(SOCKETS), "nor its socket")


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Containerd17(Version, unittest.TestCase):
    suite, version = "trixie", r"1\.7\."


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Containerd2(Version, unittest.TestCase):
    suite, version = "testing", r"2\."


if __name__ == "__main__":
    unittest.main()
