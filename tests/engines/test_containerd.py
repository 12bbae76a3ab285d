"""containerd: the runtime behind io.containerd.runc.v2 with `--runc-binary`, driven by ctr."""

import json
import os
import re
import time
import unittest

from engine import (GROUP, IS_GABION, RUNTIME, Terminal, assert_process_hardened, cgroups, ctr, enter_node, eventually)

IMAGE = "docker.io/library/busybox:test"


class ContainerdCase(unittest.TestCase):
    HOW = ("--runc-binary", RUNTIME)

    @classmethod
    def setUpClass(cls):
        cls.node = enter_node()
        cls.node.start_containerd()
        if IMAGE not in ctr("image", "ls", "-q").out.split():
            ctr("image", "import", cls.node.archives["busybox"])

    def setUp(self):
        self.id = re.sub(r"[^a-z0-9]+", "-", self._testMethodName)
        self.addCleanup(self._remove)

    def _remove(self):
        for line in ctr("task", "ls").out.splitlines()[1:]:
            name, _, state = line.split()[:3]
            if state == "PAUSED":
                ctr("task", "resume", name, check=False)
            ctr("task", "rm", "-f", name, check=False)
        for name in ctr("container", "ls", "-q").out.split():
            ctr("container", "rm", name, check=False)

    def run_container(self, *arguments, options=(), **keywords):
        return ctr("run", *self.HOW, *options, IMAGE, self.id, *arguments, **keywords)

    def detached(self, *arguments, options=()):
        self.run_container(*arguments, options=("-d", *options))
        return self.id

    def status(self):
        for line in ctr("task", "ls").out.splitlines()[1:]:
            name, pid, state = line.split()[:3]
            if name == self.id:
                return pid, state
        return "0", "absent"

    def test_output_and_exit_code(self):
        result = self.run_container("sh", "-c", "echo out; echo err >&2; exit 3", options=("--rm",), check=False)
        self.assertEqual((result.out, result.err, result.code), ("out", "err", 3))

    def test_missing_command(self):
        result = self.run_container("/bin/no-such-thing", options=("--rm",), check=False)
        self.assertNotEqual(result.code, 0)
        self.assertIn("no such file or directory", result.err)

    def test_directory_environment_and_mounts(self):
        os.makedirs("/srv/ctr", exist_ok=True)
        with open("/srv/ctr/file", "w", encoding="utf-8") as file:
            file.write("bound\n")
        os.chown("/srv/ctr/file", 1000, 1000)
        result = self.run_container(
            "sh", "-c", "pwd; echo $COLOUR; cat /mnt/x/file; stat -c %u /mnt/x/file",
            options=("--rm", "--cwd", "/var", "--env", "COLOUR=grey",
                     "--mount", "type=bind,src=/srv/ctr,dst=/mnt/x,options=rbind:ro"))
        self.assertEqual(result.out.split(), ["/var", "grey", "bound", "1000"])

    def test_terminal(self):
        terminal = Terminal("ctr", "--namespace", GROUP, "run", "--rm", "-t", *self.HOW, IMAGE, self.id, "sh")
        self.addCleanup(terminal.close)
        terminal.expect("# ")
        terminal.send("tty\n")
        terminal.expect(r"/dev/(pts/0|console)")
        terminal.send("exit 4\n")  # on its own: ctr may drop what is printed just before the end
        self.assertEqual(terminal.wait(), 4)

    def test_detached_exec_kill(self):
        self.detached("sh", "-c", "trap 'exit 8' TERM; while :; do sleep 0.1; done")
        pid, state = self.status()
        self.assertEqual(state, "RUNNING")
        self.assertEqual(ctr("task", "exec", "--exec-id", "one", self.id, "sh", "-c", "echo inside; exit 5",
                             check=False).code, 5)
        self.assertEqual(ctr("task", "exec", "--exec-id", "two", self.id, "echo", "inside").out, "inside")
        self.assertIn(pid, ctr("task", "ps", self.id).out)
        ctr("task", "kill", "-s", "SIGTERM", self.id)
        eventually(lambda: self.status()[1] == "STOPPED", "stopped")
        ctr("task", "rm", self.id)

    def test_kill_all(self):
        self.detached("sh", "-c", "sleep 77531 & setsid sleep 77531 & trap '' TERM; while :; do sleep 0.1; done")
        ctr("task", "kill", "-s", "SIGKILL", "-a", self.id)
        eventually(lambda: self.status()[1] == "STOPPED", "stopped")
        ctr("task", "rm", self.id, check=False)
        eventually(lambda: not [c for c in cgroups() if c.endswith(self.id)], "no cgroup left")

    def test_exec_with_a_terminal(self):
        self.detached("sleep", "1000")
        terminal = Terminal("ctr", "--namespace", GROUP, "task", "exec", "-t", "--exec-id", "tty", self.id, "sh")
        self.addCleanup(terminal.close)
        terminal.expect("# ")
        terminal.send("tty\n")
        terminal.expect(r"/dev/pts/\d")
        terminal.send("exit 6\n")
        self.assertEqual(terminal.wait(), 6)

    def test_pause_and_resume(self):
        self.detached("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /run/ticks; sleep 0.05; done")
        ctr("task", "pause", self.id)
        self.assertEqual(self.status()[1], "PAUSED")
        ctr("task", "resume", self.id)
        self.assertEqual(self.status()[1], "RUNNING")
        ticks = lambda: int(ctr("task", "exec", "--exec-id", f"t{time.monotonic_ns()}", self.id, "cat", "/run/ticks").out or 0)
        first = ticks()
        eventually(lambda: ticks() > first, "ticking again")

    def test_metrics(self):
        self.detached("sleep", "1000")
        metrics = json.loads(ctr("task", "metrics", "--format", "json", self.id).out)
        self.assertEqual(metrics["pids"]["current"], 1)
        usage = metrics["memory"]["usage"]
        self.assertGreater(usage if isinstance(usage, int) else int(usage["usage"]), 0)  # of cgroup v2, of v1

    def test_same_name_again(self):
        for _ in range(3):
            self.assertEqual(self.run_container("echo", "again", options=("--rm",)).out, "again")

    def test_state_survives_containerd(self):
        """The shim and the container go on without containerd, and a new one finds them."""
        self.detached("sleep", "1000")
        pid = self.status()[0]
        if "dockerd" in self.node.processes:
            self.skipTest("dockerd hangs on this containerd")
        self.node.stop_process("containerd")
        os.kill(int(pid), 0)
        self.node.start_containerd()
        self.assertEqual(self.status(), (pid, "RUNNING"))
        self.assertEqual(ctr("task", "exec", "--exec-id", "one", self.id, "echo", "inside").out, "inside")

    def test_hardened(self):
        if not IS_GABION:
            self.skipTest("asserts what gabion promises; another runtime is under test")
        self.detached("sleep", "1000")
        assert_process_hardened(self, self.status()[0], filters=1)  # ctr sends no filter
        refused = ctr("task", "exec", "--exec-id", "w", self.id, "sh", "-c", "echo x > /etc/x", check=False)
        self.assertNotEqual(refused.code, 0)

    def test_privileged_is_refused(self):
        if not IS_GABION:
            self.skipTest("asserts what gabion promises; another runtime is under test")
        result = self.run_container("true", options=("--rm", "--privileged"), check=False)
        self.assertNotEqual(result.code, 0)
        self.assertIn("privileged", result.err)

    def test_debian_image_on_layers(self):
        archive = self.node.archives["python"]
        image = "docker.io/library/python:test"
        ctr("image", "import", archive, timeout=300)
        self.addCleanup(ctr, "image", "rm", image)
        result = ctr("run", "--rm", *self.HOW, image, self.id, "python3", "-c", "print(6*7)", timeout=300)
        self.assertEqual(result.out, "42")
