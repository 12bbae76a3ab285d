"""Denied calls that nothing harmless makes, heard of by the shim itself: no monitor beside the container."""

import json
import os
import subprocess
import time
import unittest

from engine import IS_GABION, RUNTIME, eventually, run
from shim_case import PAUSED, RUNNING, STATE, STOPPED, ShimCase, runtime

POLICY = "/etc/gabion/policy.json"


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Violations(ShimCase):
    def make_bundle(self, name, *args, **process):
        bundle = super().make_bundle(name, *args, **process)
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", bundle + "/rootfs/bin/violator",
                        runtime.HERE + "/violator.c"], check=True)
        return bundle

    def setUp(self):
        super().setUp()
        self.use_policy({"*": "log"})
        self.shim = self.client.call("Connect", {1: self.id})[1]

    def use_policy(self, answers):
        os.makedirs(os.path.dirname(POLICY), exist_ok=True)
        with open(POLICY, "w", encoding="utf-8") as file:
            json.dump({"extends": "restricted", "violations": answers}, file)
        os.chmod(POLICY, 0o644)
        self.addCleanup(lambda: os.path.exists(POLICY) and os.unlink(POLICY))

    def running(self):
        self.create()
        self.client.call("Start", {1: self.id})

    def spawn(self, exec_id, *words):
        """An exec whose end is not waited for: the stream that will tell it."""
        output = f"{self.work}/{exec_id}"
        os.mkfifo(output)
        reader = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        process = dict(runtime.spec(*words)["process"])
        self.client.call("Exec", {1: self.id, 2: exec_id, 5: output, 7: {
            1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: json.dumps(process)}})
        self.client.call("Start", {1: self.id, 2: exec_id})
        return self.client.ask("Wait", {1: self.id, 2: exec_id}), reader

    def execute(self, exec_id, *words):
        """Exit code and output."""
        stream, reader = self.spawn(exec_id, *words)
        code = self.client.answer(stream).get(1, 0)
        os.set_blocking(reader, True)
        with os.fdopen(os.dup(reader), "rb") as file:  # until its end: a copier is between
            return code, file.read().decode()

    def test_told_and_denied_without_another_process(self):
        self.running()
        self.assertEqual(self.execute("one", "umount", "/proc/sys")[0], 1)
        (event,) = self.events("violation")
        self.assertEqual((event["detail"], event["violation"]["syscall"], event["violation"]["errno"]),
                         ("log", "umount2", 1))
        self.assertEqual(event["violation"]["exe"], "/bin/busybox")
        with open(f"{STATE}/{self.id}/state.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["monitorPid"], 0)
        children = run("ps", "-o", "comm=", "--ppid", str(self.shim)).out.split()
        self.assertEqual(children, ["sleep"])
        self.assertEqual(self.events("monitor.start")[0]["detail"], f"pid {self.shim}")

    def test_the_first_process_is_heard(self):
        with self.config() as document:
            document["process"]["args"] = ["sh", "-c", "umount /proc/sys; sleep 1000"]
        self.running()
        eventually(lambda: self.events("violation"), "the event")

    def test_the_command_line_may_enter(self):
        self.running()
        done = run(RUNTIME, "--root", STATE, "exec", self.id, "umount", "/proc/sys", check=False)
        self.assertEqual(done.code, 1)
        self.assertEqual(len(self.events("violation")), 1)

    def test_kill(self):
        self.use_policy({"*": "log", "tracing": "kill"})
        self.running()
        stream, _ = self.spawn("one", "violator", "flood", "2", "10")
        self.assertEqual(self.client.answer(stream)[1], 137)
        self.assertEqual(self.client.call("Wait", {1: self.id})[1], 137)
        self.assertEqual(self.status(), STOPPED)
        self.assertEqual([line["detail"] for line in self.events("violation")][0], "kill")

    def test_freeze(self):
        self.use_policy({"mounts": "freeze"})
        self.running()
        stream, _ = self.spawn("one", "sh", "-c", "umount /proc/sys; exit 7")
        eventually(lambda: self.status() == PAUSED, "paused")
        self.assertEqual([line["detail"] for line in self.events("violation")], ["freeze"])
        self.client.call("Resume", {1: self.id})
        self.assertEqual(self.status(), RUNNING)
        self.assertEqual(self.client.answer(stream)[1], 7)
        self.assertEqual(len(self.events("violation")), 1)

    def test_a_flood_stalls_nobody_and_is_counted(self):
        self.running()
        flood, _ = self.spawn("flood", "violator", "flood", "8", "3")
        began, slowest, asked = self.processor_time(), 0.0, 0
        end = time.monotonic() + 2.5
        other = self.connect()
        while time.monotonic() < end:
            start = time.monotonic()
            other.call("State", {1: self.id})
            slowest, asked = max(slowest, time.monotonic() - start), asked + 1
            time.sleep(0.01)
        self.assertLess(slowest, 1)
        self.assertGreater(asked, 50)
        # Of two and a half seconds.
        self.assertLess(self.processor_time() - began, 1.2)
        self.assertEqual(self.client.answer(flood).get(1, 0), 0)
        self.assertLess(len(self.events("violation")), 20)
        self.client.call("Kill", {1: self.id, 3: 9})
        self.client.call("Wait", {1: self.id})
        self.client.call("Delete", {1: self.id})
        # What was only counted is in the log before the container is gone.
        (repeated,) = self.events("violation.repeated")
        self.assertRegex(repeated["detail"], r"^ptrace \d+$")
        self.assertEqual(self.events()[-1]["event"], "container.delete")

    def processor_time(self):
        with open(f"/proc/{self.shim}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def test_a_policy_that_does_not_ask_costs_nothing(self):
        self.use_policy({"*": "off"})
        before = len(os.listdir(f"/proc/{self.shim}/fd"))
        self.running()
        self.assertFalse(os.path.exists(f"{STATE}/{self.id}/monitor.sock"))
        after = [os.readlink(f"/proc/{self.shim}/fd/{fd}") for fd in os.listdir(f"/proc/{self.shim}/fd")]
        self.assertFalse([link for link in after if "seccomp" in link])
        self.assertLessEqual(len(after), before + 3)

    def test_many_lives_leave_no_descriptor(self):
        self.running()
        before = len(os.listdir(f"/proc/{self.shim}/fd"))
        for number in range(30):
            self.execute(f"n{number}", "umount", "/proc/sys")
            self.client.call("Delete", {1: self.id, 2: f"n{number}"})
        eventually(lambda: len(os.listdir(f"/proc/{self.shim}/fd")) <= before, "no descriptor more")


if __name__ == "__main__":
    unittest.main()
