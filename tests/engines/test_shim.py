"""containerd with gabion's own shim, io.containerd.gabion.v2: everything that holds behind containerd's, and what only a
shim can get wrong."""

import glob
import hashlib
import json
import os
import signal
import subprocess
import unittest

import test_containerd
from engine import GROUP, IS_GABION, RUNTIME, cgroups, ctr, eventually, run

IMAGE = test_containerd.IMAGE
SHIM = os.path.join(os.path.dirname(RUNTIME), "containerd-shim-gabion-v2")
STATE = f"/run/gabion/containerd/{GROUP}"
SOCKETS = "/run/gabion/s"


def shims(copiers=False):
    """Pids of those that serve this test's namespace; on request also of what copies their containers' output."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
            with open(os.path.dirname(path) + "/comm", encoding="ascii", errors="replace") as file:
                if file.read() == "gabion-copier\n" and not copiers:
                    continue
        except OSError:
            continue
        if os.path.basename(words[0]) == b"containerd-shim-gabion-v2" and GROUP.encode() in words:
            found.append(int(path.split("/")[2]))
    return sorted(found)


def events_of(*ids):
    """Audit events of containers, in their order."""
    with open("/var/log/gabion/audit.jsonl", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line.get("container") in ids]


def assert_nothing_left(case):
    """Once the last container is deleted."""
    eventually(lambda: not shims(copiers=True), "no shim left")
    case.assertEqual(os.listdir(SOCKETS), [])
    case.assertEqual(os.listdir(STATE) if os.path.isdir(STATE) else [], [])
    case.assertEqual([path for path in cgroups() if os.path.basename(path) != GROUP], [])


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Shim(test_containerd.ContainerdCase):
    HOW = ("--runtime", "io.containerd.gabion.v2")

    def tearDown(self):
        """Nothing is left when the last container is gone."""
        self._remove()
        assert_nothing_left(self)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertNotIn("io.containerd.runtime.v2.task", file.read())

    def follow_events(self):
        """A function that returns what containerd has been told since: (topic, event)."""
        process = subprocess.Popen(["ctr", "--namespace", GROUP, "events"], stdout=subprocess.PIPE)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        os.set_blocking(process.stdout.fileno(), False)
        text = bytearray()

        def topics():
            text.extend(process.stdout.read() or b"")
            whole = bytes(text).decode().rpartition("\n")[0].splitlines()
            # Date, time, zone twice, namespace, topic, event.
            return [(words[5], json.loads(" ".join(words[6:]))) for words in (line.split() for line in whole)
                    if words[5].startswith("/tasks/")]
        return topics

    def test_order_of_events(self):
        topics = self.follow_events()
        # Until it listens.
        eventually(lambda: (self.run_container("true", options=("--rm",)), topics())[1], "an event")
        before = len(topics())
        self.run_container("sh", "-c", "exit 3", options=("--rm",), check=False)
        eventually(lambda: len(topics()) >= before + 4, "four events")
        seen = topics()[before:]
        self.assertEqual([topic for topic, _ in seen], ["/tasks/" + name for name in ("create", "start", "exit", "delete")])
        self.assertEqual(seen[2][1]["exit_status"], 3)
        self.assertEqual({event["pid"] for _, event in seen}, {seen[0][1]["pid"]})

    def test_events_of_exec_come_before_the_end(self):
        topics = self.follow_events()
        self.detached("sleep", "1000")
        eventually(topics, "an event")
        executing = subprocess.Popen(["ctr", "--namespace", GROUP, "task", "exec", "--exec-id", "one", self.id, "sleep", "1000"],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(executing.wait)
        self.addCleanup(executing.kill)
        eventually(lambda: "/tasks/exec-started" in [topic for topic, _ in topics()], "the exec")
        ctr("task", "kill", "-s", "SIGKILL", self.id)
        eventually(lambda: len([topic for topic, _ in topics() if topic == "/tasks/exit"]) == 2, "two ends")
        self.assertEqual([event["id"] for topic, event in topics() if topic == "/tasks/exit"], ["one", self.id])

    def test_killed_shim(self):
        """containerd notices, and `delete` clears everything."""
        self.detached("sh", "-c", "sleep 1000 & sleep 1000")
        pid = int(self.status()[0])
        for shim in shims():
            os.kill(shim, signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{pid}/root/bin"), "the container's process has ended")
        eventually(lambda: self.status()[1] in ("absent", "STOPPED"), "containerd knows")
        eventually(lambda: not os.path.isdir(f"{STATE}/{self.id}"), "no state left")
        eventually(lambda: not os.listdir(SOCKETS), "no socket left")

    def test_two_containers_of_a_pod_have_one_shim(self):
        pod = ("-d", "--annotation", "io.kubernetes.cri.sandbox-id=" + self.id)
        for suffix in ("", "-two"):
            ctr("run", *self.HOW, *pod, IMAGE, self.id + suffix, "sleep", "1000")
        self.assertEqual(len(shims()), 1)
        self.assertEqual(ctr("task", "exec", "--exec-id", "x", self.id + "-two", "echo", "second").out, "second")
        for suffix in ("", "-two"):
            ctr("task", "rm", "-f", self.id + suffix)
            self.assertEqual(len(shims()), 1 if suffix == "" else 0)

    def test_who_asked_is_in_the_audit_log(self):
        self.run_container("true", options=("--rm",))
        actors = {event["actor"]["exe"] for event in events_of(self.id) if event["event"] != "container.exit"}
        self.assertEqual({os.path.basename(path) for path in actors}, {"containerd"})
        self.assertEqual([event["event"] for event in events_of(self.id)],
                         ["container.create", "container.start", "container.exit", "container.delete"])

    def test_how_processes_ended_is_in_the_audit_log(self):
        self.detached("sh", "-c", "trap 'exit 8' TERM; while :; do sleep 0.1; done")
        ctr("task", "exec", "--exec-id", "one", self.id, "sh", "-c", "exit 5", check=False)
        pid = self.status()[0]
        ctr("task", "kill", "-s", "SIGTERM", self.id)

        def ends():
            return [(event["event"], event["detail"]) for event in events_of(self.id) if event["event"].endswith(".exit")]
        eventually(lambda: len(ends()) == 2, "two ends")
        self.assertEqual([event for event, _ in ends()], ["exec.exit", "container.exit"])
        self.assertTrue(ends()[0][1].endswith(", status 5"), ends())
        self.assertEqual(ends()[1][1], f"pid {pid}, status 8")

    def test_out_of_memory(self):
        """containerd is told, and the audit log."""
        topics = self.follow_events()
        eventually(lambda: (self.run_container("true", options=("--rm",)), topics())[1], "an event")
        done = self.run_container("sh", "-c", "x=a; while :; do x=$x$x; done",
                                  options=("--rm", "--memory-limit", str(16 << 20)), check=False)
        self.assertEqual(done.code, 137)
        eventually(lambda: "/tasks/oom" in [topic for topic, _ in topics()], "the event")
        self.assertIn("container.oom", [event["event"] for event in events_of(self.id)])

    def test_an_address_that_is_a_program_is_refused(self):
        """CVE-2026-53488: what names a program is not run, by root, for a container's output."""
        program = "/srv/logger"
        with open(program, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ntouch /srv/logger-ran\n")
        os.chmod(program, 0o755)
        done = self.run_container("true", options=("-d", "--log-uri", f"binary://{program}"), check=False)
        self.assertNotEqual(done.code, 0)
        self.assertIn("would run a program as root", done.err)
        self.assertFalse(os.path.exists("/srv/logger-ran"))

    def test_a_logger_that_the_policy_names(self):
        program, out = "/opt/logger", "/srv/logged"
        with open(program, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nexec > /srv/logged\necho "$*" "$CONTAINER_ID" "$CONTAINER_NAMESPACE"\nexec 5>&-\n'
                       'sed -u s/^/out:/ <&3 >> /srv/logged &\nsed -u s/^/err:/ <&4 >> /srv/logged\nwait\n')
        os.chmod(program, 0o755)
        with open(program, "rb") as file:
            pin = hashlib.sha256(file.read()).hexdigest()
        os.makedirs("/etc/gabion", exist_ok=True)
        self.addCleanup(os.unlink, "/etc/gabion/policy.json")

        def name(sha256):
            with open("/etc/gabion/policy.json", "w", encoding="utf-8") as file:
                json.dump({"extends": "restricted", "loggers": [
                    {"file": program, "args": ["level", "all *"], "sha256": sha256}]}, file)
        name("0" * 64)
        command = ("sh", "-c", "echo one; echo two >&2; exec sleep 1000")
        how = ("--log-uri", f"binary://{program}?level=all%20of+it")
        done = self.run_container(*command, options=("-d", *how), check=False)
        self.assertIn("not the one the policy pins", done.err)
        self.assertFalse(os.path.exists(out))
        self._remove()
        name(pin)
        done = self.run_container(*command, options=("-d", "--log-uri", f"binary://{program}?level=none"), check=False)
        self.assertIn("not with these arguments", done.err)
        self._remove()
        self.detached(*command, options=how)

        def text():
            with open(out, encoding="utf-8") as file:
                return file.read().splitlines()
        eventually(lambda: len(text()) == 3, "the output")
        self.assertEqual(text()[0], f"level all of it {self.id} {GROUP}")
        self.assertEqual(sorted(text()[1:]), ["err:two", "out:one"])
        self.assertEqual([event["argv"] for event in events_of(self.id) if event["event"] == "logger.start"],
                         [[program, "level", "all of it"]])
        loggers = [pid for pid in os.listdir("/proc") if pid.isdigit() and self.runs(pid, program)]
        self.assertTrue(loggers)
        ctr("task", "kill", "-s", "SIGKILL", self.id)
        eventually(lambda: not [pid for pid in loggers if self.runs(pid, program)], "it has ended")

    @staticmethod
    def runs(pid, program):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                return program in file.read().split("\0")
        except OSError:
            return False

    def test_output_to_a_file(self):
        log = "/srv/output"
        self.detached("sh", "-c", "echo one; echo two >&2; sleep 1000", options=("--log-uri", f"file://{log}"))

        def text():
            if not os.path.exists(log):
                return ""
            with open(log, encoding="utf-8") as file:
                return file.read()
        eventually(lambda: sorted(text().split()) == ["one", "two"], "the output")
        # The process has a pipe, not the file, which it could have truncated.
        self.assertTrue(os.readlink(f"/proc/{self.status()[0]}/fd/1").startswith("pipe:"))

    def test_standard_streams_are_opened_again(self):
        """/dev/stdout: containerd's fifo is the process's own."""
        done = self.run_container("sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr", options=("--rm",))
        self.assertEqual((done.out, done.err), ("out", "err"))
        self.detached("sleep", "1000")
        done = ctr("task", "exec", "--exec-id", "one", "--user", "1000", self.id, "sh", "-c", "echo out > /dev/stdout")
        self.assertEqual(done.out, "out")

    def test_a_hundred_executions(self):
        self.detached("sleep", "1000")
        shim = shims()[0]
        before = len(os.listdir(f"/proc/{shim}/fd"))
        for number in range(100):
            ctr("task", "exec", "--exec-id", f"n{number}", self.id, "true")
        self.assertEqual(len(os.listdir(f"/proc/{shim}/fd")), before)

    def test_socket_is_root_only(self):
        self.detached("sleep", "1000")
        (path,) = glob.glob(SOCKETS + "/*")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(SOCKETS).st_mode & 0o777, 0o700)

    def test_version_and_information(self):
        self.assertIn("Version:", run(SHIM, "-v").out)
        done = subprocess.run([SHIM, "-info"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        self.assertIn(b"io.containerd.gabion.v2", done.stdout)
        self.assertIn(b'"ociVersionMax"', done.stdout)


if __name__ == "__main__":
    unittest.main()
