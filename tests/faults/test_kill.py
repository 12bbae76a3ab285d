"""SIGKILL at any moment: afterwards `delete --force` always leaves nothing."""

import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from faults import FaultCase, Process, only_gabion

SEED = int(os.environ.get("GABION_TEST_SEED", "0")) or random.randrange(1, 1 << 32)


@only_gabion
class Killed(FaultCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")

    def kill_after(self, delay, *words):
        """Runs the runtime and kills it after `delay` seconds; its exit code."""
        process = Process(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + delay
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0002)
        process.kill()
        return process.wait()

    def clear(self, name, message):
        done = self.gabion("delete", "--force", name, check=False)
        self.assertEqual(done.code, 0, f"{message}: {done}")
        self.assert_clean(message)

    def in_a_state(self, name, message):
        """Whatever was interrupted, the container is one of the specification's states, or is not."""
        done = self.gabion("state", name, check=False)
        if done.code == 0:
            self.assertIn(self.status(name), ("creating", "created", "running", "stopped", "paused"), message)
        else:
            self.assertIn("does not exist", done.err, message)

    def test_create_at_random_moments(self):
        name, bundle = self.bundle()
        finished = 0
        for round_ in range(150):
            delay = self.random.uniform(0, 0.015)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            finished += self.kill_after(delay, "create", "--bundle", bundle, name) == 0
            self.in_a_state(name, message)
            self.clear(name, message)
        self.assertLess(finished, 150, "no create was interrupted")

    def test_run_at_random_moments(self):
        name, bundle = self.bundle("sleep", "1000")
        for round_ in range(60):
            delay = self.random.uniform(0, 0.02)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "run", "--bundle", bundle, name)
            self.in_a_state(name, message)
            self.clear(name, message)

    def test_run_with_a_monitor_at_random_moments(self):
        """The monitor ends without being told, whether or not a state names it."""
        self.use_policy({"extends": "restricted", "violations": {"*": "log"}})
        name, bundle = self.bundle("sleep", "1000")
        for round_ in range(40):
            delay = self.random.uniform(0, 0.02)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "run", *(["--detach"] if round_ % 2 else []), "--bundle", bundle, name)
            self.in_a_state(name, message)
            self.clear(name, message)

    def test_create_with_hooks_at_random_moments(self):
        """A hook that runs when its runtime is killed goes too."""
        self.use_policy("passthrough")

        def edit(document):
            document["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"]}]}
        name, bundle = self.bundle(edit=edit)
        for round_ in range(20):
            delay = self.random.uniform(0.005, 0.06)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "create", "--bundle", bundle, name)
            self.clear(name, message)

    def test_start_at_random_moments(self):
        name, bundle = self.bundle()
        for round_ in range(40):
            self.gabion("create", "--bundle", bundle, name)
            delay = self.random.uniform(0, 0.006)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "start", name)
            self.in_a_state(name, message)
            # The state tells the truth about whether the program runs.
            if self.status(name) == "created":
                self.gabion("start", name)
                self.assertEqual(self.status(name), "running", message)
            self.clear(name, message)

    def test_delete_at_random_moments(self):
        name, bundle = self.bundle()
        for round_ in range(60):
            self.gabion("create", "--bundle", bundle, name)
            if round_ % 2:
                self.gabion("start", name)
            delay = self.random.uniform(0, 0.008)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "delete", "--force", name)
            self.clear(name, message)

    def test_exec_at_random_moments(self):
        name = self.running()
        for round_ in range(50):
            delay = self.random.uniform(0, 0.012)
            message = f"seed {SEED}, round {round_}, {delay * 1000:.2f} ms"
            self.kill_after(delay, "exec", name, "sleep", "1000")
            self.assertEqual(self.status(name), "running", message)
        self.assertEqual(self.execute(name, "echo", "alive").out, "alive")
        self.clear(name, f"seed {SEED}")

    def test_pause_resume_and_update_at_random_moments(self):
        name = self.running()
        for round_ in range(45):
            delay = self.random.uniform(0, 0.006)
            words = (("pause", name), ("resume", name), ("update", "--pids-limit", str(50 + round_), name))[round_ % 3]
            message = f"seed {SEED}, round {round_}, {words[0]}, {delay * 1000:.2f} ms"
            self.kill_after(delay, *words)
            self.assertIn(self.status(name), ("running", "paused"), message)
        if self.status(name) == "paused":
            self.gabion("resume", name)
        self.gabion("update", "--pids-limit", "99", name)
        self.assertEqual(self.execute(name, "echo", "alive").out, "alive")
        self.gabion("pause", name)
        self.clear(name, f"seed {SEED}")

    def test_init_killed_while_created(self):
        name = self.created()
        os.kill(self.state(name)["pid"], signal.SIGKILL)
        self.wait_status(name, "stopped")
        self.refused(self.gabion("start", name, check=False), "cannot start a container that has stopped")
        self.gabion("delete", name)
        self.assert_clean()

    def test_init_killed_while_running(self):
        name = self.running("sh", "-c", "sleep 1000 & sleep 1000 & wait")
        os.kill(self.state(name)["pid"], signal.SIGKILL)
        self.wait_status(name, "stopped")
        self.gabion("delete", name)
        self.assert_clean()

    def test_init_killed_while_paused(self):
        name = self.running()
        pid = self.state(name)["pid"]
        self.gabion("pause", name)
        os.kill(pid, signal.SIGKILL)
        self.clear(name, "killed while paused")

    def test_parent_and_child_killed_together(self):
        """The whole process group of a create: as a service manager does it."""
        name, bundle = self.bundle()
        for round_ in range(30):
            delay = self.random.uniform(0, 0.012)
            process = Process(self.command("create", "--bundle", bundle, name), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(delay)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            self.clear(name, f"seed {SEED}, round {round_}")

    def test_terminated(self):
        """SIGTERM and SIGINT in the middle of a create."""
        name, bundle = self.bundle()
        for round_ in range(30):
            process = Process(self.command("create", "--bundle", bundle, name), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.random.uniform(0, 0.01))
            process.send_signal(signal.SIGTERM if round_ % 2 else signal.SIGINT)
            process.wait()
            self.clear(name, f"seed {SEED}, round {round_}")


@only_gabion
@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class AtEverySystemCall(FaultCase):
    """strace(1) kills the runtime when it enters its Nth system call, for N through the whole run."""

    # Enough of them to meet every step; the random ones above fill the gaps.
    STEPS = 70

    def traced(self, inject, words):
        command = ["strace", "-qq", "-o", "/dev/null", *inject, *self.command(*words)]
        process = Process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        code = process.finish(60)
        if code is None:
            process.kill()
            process.wait()
            self.fail(f"{' '.join(command)} hangs")
        return code

    def calls(self, words):
        """How many system calls the runtime itself makes."""
        trace = self.work + "/trace"
        process = Process(["strace", "-qq", "-o", trace, *self.command(*words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(process.finish(60), 0)
        with open(trace, encoding="utf-8", errors="replace") as file:
            return sum(1 for line in file if "(" in line)

    def step_through(self, words, before=None, after=None, steps=STEPS):
        if before:
            before()
        total = self.calls(words)
        if after:
            after()
        self.gabion("delete", "--force", "c1")
        self.assertGreater(total, 20)
        # Not the exec of the runtime and what the loader does: nothing can be there yet.
        first = 15
        for step in sorted({first + (total - first) * n // steps for n in range(steps)}):
            if before:
                before()
            self.traced(["-e", "trace=all", "-e", f"inject=all:signal=KILL:when={step}"], words)
            done = self.gabion("delete", "--force", "c1", check=False)
            self.assertEqual(done.code, 0, f"killed at system call {step} of {total}: {done}")
            self.assert_clean(f"killed at system call {step} of {total} of {words[0]}")

    def test_create(self):
        name, bundle = self.bundle()
        self.step_through(("create", "--bundle", bundle, "--pid-file", bundle + "/pid", name))
        left = [entry for entry in os.listdir(bundle) if entry not in ("config.json", "rootfs", "pid")]
        self.assertEqual([entry for entry in left if not entry.startswith("pid.")], [])

    def test_delete(self):
        name, bundle = self.bundle()
        self.step_through(("delete", "--force", name), steps=40,
                          before=lambda: self.gabion("run", "--detach", "--bundle", bundle, name))

    def test_start(self):
        name, bundle = self.bundle()
        self.step_through(("start", name), steps=25, before=lambda: self.gabion("create", "--bundle", bundle, name))

    def test_errors_at_every_system_call(self):
        """Not killed, but told ENOMEM or EIO: an error and a clean state, or success."""
        name, bundle = self.bundle()
        total = self.calls(("create", "--bundle", bundle, name))
        self.gabion("delete", "--force", name)
        for step in sorted({20 + (total - 20) * n // 60 for n in range(60)}):
            error = ("ENOMEM", "EIO")[step % 2]
            code = self.traced(["-e", "trace=!exit_group,execve,brk,mmap,munmap,rt_sigreturn",
                                "-e", "inject=!exit_group,execve,brk,mmap,munmap,rt_sigreturn,close,wait4:"
                                f"error={error}:when={step}"],
                               ("create", "--bundle", bundle, name))
            done = self.gabion("state", name, check=False)
            if code == 0:
                self.assertEqual(done.code, 0, f"{error} at {step}: success without a container")
            done = self.gabion("delete", "--force", name, check=False)
            self.assertEqual(done.code, 0, f"{error} at {step}: {done}")
            self.assert_clean(f"{error} at system call {step} of {total}")


if __name__ == "__main__":
    unittest.main()
