"""Docker: the life of a container, from `docker run` to every way it can end."""

import glob
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from engine import GROUP, IS_GABION, DockerCase, cgroups, eventually


class Run(DockerCase):
    def test_output_and_streams(self):
        result = self.sh("echo to-out; echo to-err >&2")
        self.assertEqual((result.out, result.err), ("to-out", "to-err"))

    def test_runtime_named_on_the_command_line(self):
        self.assertEqual(self.sh("echo here", "--runtime", "gabion").out, "here")

    def test_standard_input(self):
        self.assertEqual(self.docker("run", "--rm", "-i", self.image, "cat", stdin="one\ntwo\n").out, "one\ntwo")

    def test_large_output_arrives_whole(self):
        self.assertEqual(len(self.sh("dd if=/dev/zero bs=1024 count=2048 2>/dev/null | tr '\\0' x").out), 2 << 20)

    def test_reopening_the_standard_streams(self):
        result = self.sh("echo out > /dev/stdout; echo err > /dev/stderr")
        self.assertEqual((result.out, result.err), ("out", "err"))

    def test_reopening_the_standard_streams_as_a_user(self):
        result = self.sh("echo out >> /proc/self/fd/1; echo err >> /proc/self/fd/2; id -u",
                         "--user", "1000:1000", check=IS_GABION)
        if IS_GABION:  # with other runtimes the pipes stay root's: moby#31243
            self.assertEqual((result.out, result.err), ("out\n1000", "err"))

    def test_exit_codes(self):
        for script, code in (("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)):
            with self.subTest(script):
                # A shell that is pid 1 ignores its own signals, hence the child.
                script = f"sh -c '{script}'; exit $?" if "kill" in script else script
                self.assertEqual(self.sh(script, check=False).code, code)

    def test_exit_code_127_for_a_missing_command(self):
        result = self.docker("run", "--rm", self.image, "/bin/no-such-thing", check=False)
        self.assertEqual(result.code, 127, result)
        self.assertIn("no such file or directory", result.err)
        result = self.docker("run", "--rm", self.image, "no-such-thing", check=False)
        self.assertEqual(result.code, 127, result)
        self.assertIn("executable file not found in $PATH", result.err)

    def test_exit_code_126_for_a_file_that_cannot_run(self):
        result = self.docker("run", "--rm", self.image, "/etc/not-executable", check=False)
        self.assertEqual(result.code, 126, result)
        self.assertIn("permission denied", result.err)

    def test_user_directory_environment(self):
        result = self.sh("id -u; id -g; id -G; pwd; echo $COLOUR; hostname", "--user", "app", "--group-add", "audio",
                         "-w", "/var/log", "-e", "COLOUR=grey", "--hostname", "quarry")
        self.assertEqual(result.out.splitlines(), ["1000", "1000", "1000 29", "/var/log", "grey", "quarry"])
        self.assertEqual(self.sh("id -u; id -g", "--user", "4321:8765").out.split(), ["4321", "8765"])

    def test_root_in_the_container(self):
        self.assertEqual(self.sh("id -u; cd /tmp && touch f && chown 33:33 f && stat -c %u:%g f").out.split(),
                         ["0", "33:33"])

    def test_limits(self):
        # Hard limits above this machine's own need CAP_SYS_RESOURCE, so lower ones.
        self.assertEqual(self.sh("ulimit -n; ulimit -Hn", "--ulimit", "nofile=512:600").out.split(), ["512", "600"])

    def test_sysctl(self):
        self.assertEqual(self.sh("cat /proc/sys/net/ipv4/ip_default_ttl",
                                 "--sysctl", "net.ipv4.ip_default_ttl=99").out, "99")

    def test_shm_size(self):
        self.assertEqual(self.sh("df -k /dev/shm | tail -1", "--shm-size", "8m").out.split()[1], "8192")

    def test_init_reaps(self):
        script = "tr '\\0' ' ' < /proc/1/cmdline; echo; (sh -c 'sleep 0.2 & exec true'); sleep 0.6; grep -l 'State:.Z' /proc/[0-9]*/status; true"
        lines = self.sh(script, "--init").out.splitlines()
        self.assertIn("docker-init", lines[0])
        self.assertEqual(lines[1:], [], "a zombie was left")

    def test_terminal(self):
        terminal = self.terminal(*self.client(), "run", "--rm", "-it", self.image, "sh")
        terminal.expect(r"# ")
        terminal.send("test -t 0 && tty && stty size\n")
        terminal.expect(r"/dev/(pts/0|console)")
        terminal.expect(r"40 100")
        terminal.send("exit 7\n")
        self.assertEqual(terminal.wait(), 7)

    def test_terminal_changes_its_size(self):
        terminal = self.terminal(*self.client(), "run", "--rm", "-it", self.image, "sh")
        terminal.expect("# ")
        terminal.send("until stty size | grep 100; do sleep 0.1; done; sleep 0.2; echo ready\n")
        terminal.expect("\nready")
        terminal.resize(50, 120)
        terminal.send("until stty size | grep 50; do sleep 0.1; done\n")
        terminal.expect("\n50 120")
        terminal.send("exit\n")
        self.assertEqual(terminal.wait(), 0)

    def test_terminal_interrupt(self):
        terminal = self.terminal(*self.client(), "run", "--rm", "-it", self.image, "sh", "-c",
                                 "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done")
        terminal.expect("ready")
        terminal.send("\x03")
        terminal.expect("caught")
        self.assertEqual(terminal.wait(), 5)


class Lifecycle(DockerCase):
    AT_ONCE = 30

    def test_logs(self):
        name = self.daemon("sh", "-c", "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); done; echo oops >&2")
        self.docker("wait", name)
        result = self.docker("logs", name)
        self.assertEqual(result.out.splitlines(), [f"line {i}" for i in range(5)])
        self.assertEqual(result.err, "oops")
        tail = self.docker("logs", "--tail", "1", name)
        self.assertEqual(len((tail.out + tail.err).splitlines()), 1)

    def test_logs_followed_until_the_end(self):
        name = self.daemon("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done")
        self.assertEqual(self.docker("logs", "-f", name).out.split(), ["1", "2", "3"])

    def test_attach(self):
        self.docker("run", "-dit", "--name", self.name(), self.image, "sh")
        terminal = self.terminal(*self.client(), "attach", self.name())
        terminal.send("echo $((6*7))-attached\n")
        terminal.expect("42-attached")
        terminal.send("\x10\x11")  # ctrl-p ctrl-q: detach
        terminal.wait()
        self.assertEqual(self.state(self.name()), "running")

    def test_attach_without_terminal(self):
        self.docker("create", "-i", "--name", self.name(), self.image, "sh", "-c", "read line; echo got $line; exit 9")
        result = self.docker("start", "-ai", self.name(), stdin="word\n", check=False)
        self.assertEqual((result.out, result.code), ("got word", 9))

    def test_stop_asks_first(self):
        name = self.daemon("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")
        self.assert_in_logs(name, "up")
        self.docker("stop", "-t", "20", name)
        self.assertEqual(self.inspect(name, ".State.ExitCode"), "0")
        self.assertIn("bye", self.docker("logs", name).out)

    def test_stop_kills_in_the_end(self):
        name = self.daemon("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")
        self.assert_in_logs(name, "up")
        self.docker("stop", "-t", "1", name)
        self.assertEqual(self.inspect(name, ".State.ExitCode"), "137")

    def test_kill_with_a_signal(self):
        name = self.daemon("sh", "-c", "trap 'echo usr1' USR1; echo up; while :; do sleep 0.1; done")
        self.assert_in_logs(name, "up")
        self.docker("kill", "-s", "USR1", name)
        self.assert_in_logs(name, "usr1")
        self.docker("kill", name)
        self.await_state(name, "exited")
        self.assertEqual(self.inspect(name, ".State.ExitCode"), "137")
        self.assertNotEqual(self.docker("kill", name, check=False).code, 0)

    def test_kill_takes_every_process(self):
        marker = "86421"
        name = self.daemon("sh", "-c", f"sleep {marker} & setsid sleep {marker} & sleep {marker}")
        eventually(lambda: len(pids_of("sleep " + marker)) == 3, "all processes up")
        self.docker("kill", name)
        self.await_state(name, "exited")
        eventually(lambda: not pids_of("sleep " + marker), "no process left")

    def test_restart(self):
        name = self.daemon("sh", "-c", "echo started; sleep 1000")
        first = self.inspect(name, ".State.Pid")
        self.docker("restart", "-t", "1", name)
        self.assertNotEqual(self.inspect(name, ".State.Pid"), first)
        self.assertEqual(self.docker("logs", name).out.split(), ["started", "started"])

    def test_restart_policy_on_failure(self):
        name = self.daemon("sh", "-c", "echo try; exit 4", options=("--restart", "on-failure:2"))
        eventually(lambda: self.docker("logs", name).out.split() == ["try"] * 3 and self.state(name) == "exited",
                   "the first try and two more")
        self.assertEqual(self.inspect(name, ".RestartCount"), "2")
        self.assertEqual(self.inspect(name, ".State.ExitCode"), "4")

    def test_restart_policy_always_after_a_crash(self):
        name = self.daemon("sleep", "1000", options=("--restart", "always"))
        first = self.inspect(name, ".State.Pid")
        os.kill(int(first), signal.SIGKILL)
        eventually(lambda: self.state(name) == "running" and self.inspect(name, ".State.Pid") not in ("0", first),
                   "running again")

    def test_pause(self):
        name = self.daemon("sh", "-c", "while :; do echo tick; sleep 0.1; done")
        self.assert_in_logs(name, "tick")
        self.docker("pause", name)
        self.assertEqual(self.state(name), "paused")
        before = self.docker("logs", name).out
        time.sleep(0.6)
        self.assertEqual(self.docker("logs", name).out, before)
        self.assertNotEqual(self.docker("exec", name, "true", check=False).code, 0)
        self.docker("unpause", name)
        eventually(lambda: len(self.docker("logs", name).out) > len(before), "ticking again")

    def test_paused_container_is_removed_by_force(self):
        name = self.daemon("sleep", "1000")
        self.docker("pause", name)
        self.docker("rm", "-f", name)

    def test_update(self):
        name = self.daemon("sleep", "1000", options=("-m", "128m", "--memory-swap", "128m"))
        read = lambda path: self.docker("exec", name, "cat", path).out
        self.assertEqual(read("/sys/fs/cgroup/memory/memory.limit_in_bytes"), str(128 << 20))
        self.docker("update", "-m", "64m", "--memory-swap", "64m", "--cpu-shares", "512", "--pids-limit", "99", name)
        self.assertEqual(read("/sys/fs/cgroup/memory/memory.limit_in_bytes"), str(64 << 20))
        self.assertEqual(read("/sys/fs/cgroup/cpu/cpu.shares"), "512")
        self.assertEqual(read("/sys/fs/cgroup/pids/pids.max"), "99")

    def test_stats_and_top(self):
        name = self.daemon("sh", "-c", "while :; do :; done", options=("-m", "64m"))
        stats = json.loads(self.docker("stats", "--no-stream", "--format", "{{json .}}", name).out)
        self.assertGreater(float(stats["CPUPerc"].rstrip("%")), 5)
        self.assertTrue(stats["MemUsage"].endswith("/ 64MiB"), stats)
        self.assertEqual(stats["PIDs"], "1")
        self.assertIn("while :", self.docker("top", name).out)

    def test_healthcheck(self):
        name = self.daemon("sh", "-c", "touch /tmp/well; sleep 1000", options=(
            "--health-cmd", "test -e /tmp/well", "--health-interval", "500ms", "--health-retries", "2"))
        health = lambda state: lambda: self.inspect(name, ".State.Health.Status") == state
        eventually(health("healthy"), "healthy")
        self.docker("exec", name, "rm", "/tmp/well")
        eventually(health("unhealthy"), "unhealthy")

    def test_out_of_memory(self):
        name = self.daemon("sh", "-c", "tail /dev/zero", options=("-m", "24m", "--memory-swap", "24m"))
        self.assertIn(self.docker("wait", name).out, ("137", "1"))
        self.assertEqual(self.inspect(name, ".State.OOMKilled"), "true")

    def test_process_limit(self):
        result = self.sh("i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; true", "--pids-limit", "20",
                         check=False)
        self.assertIn("can't fork", result.err)

    def test_copy_into_a_created_container(self):
        self.docker("create", "--name", self.name(), self.image, "cat", "/etc/copied")
        self.docker("cp", "/etc/hostname", self.name() + ":/etc/copied")
        with open(self.path("/etc/hostname"), encoding="utf-8") as file:
            self.assertEqual(self.docker("start", "-a", self.name()).out, file.read().strip())

    def test_many_at_once(self):
        names = [self.name(f"-{i}") for i in range(self.AT_ONCE)]
        with ThreadPoolExecutor(self.AT_ONCE) as pool:
            list(pool.map(lambda name: self.docker("run", "-d", "--name", name, self.image, "sleep", "1000",
                                              timeout=300), names))
            outputs = list(pool.map(lambda name: self.docker("exec", name, "hostname", timeout=300).out, names))
        self.assertEqual(len(set(outputs)), self.AT_ONCE)
        if IS_GABION:
            maps = set()
            for name in names:
                with open(f"/proc/{self.inspect(name, '.State.Pid')}/uid_map", encoding="utf-8") as file:
                    maps.add(file.read())
            self.assertEqual(len(maps), self.AT_ONCE, "two containers share an id range")
        self.docker("rm", "-f", *names, timeout=300)
        eventually(lambda: not [c for c in cgroups() if len(c.split("/")[-1]) == 64], f"no cgroup left in {GROUP}")


class Exec(DockerCase):
    def setUp(self):
        super().setUp()
        self.container = self.daemon("sleep", "1000", options=("-e", "COLOUR=grey"))

    def exec(self, *arguments, **options):
        return self.docker("exec", *arguments, **options)

    def test_output_and_exit_code(self):
        result = self.exec(self.container, "sh", "-c", "echo out; echo err >&2; exit 6", check=False)
        self.assertEqual((result.out, result.err, result.code), ("out", "err", 6))

    def test_missing_and_unusable_commands(self):
        # For exec, Docker 20.10 answers 126 in both cases; the text tells them apart.
        result = self.exec(self.container, "no-such-thing", check=False)
        self.assertIn(result.code, (126, 127))
        self.assertIn("executable file not found in $PATH", result.out + result.err)
        result = self.exec(self.container, "/etc/not-executable", check=False)
        self.assertEqual(result.code, 126)
        self.assertIn("permission denied", result.out + result.err)

    def test_standard_input(self):
        self.assertEqual(self.exec("-i", self.container, "wc", "-c", stdin="12345").out, "5")

    def test_user_directory_environment(self):
        result = self.exec("-u", "1000", "-w", "/var/log", "-e", "SIZE=9", self.container, "sh", "-c",
                           "id -u; pwd; echo $COLOUR $SIZE")
        self.assertEqual(result.out.splitlines(), ["1000", "/var/log", "grey 9"])

    def test_same_namespaces(self):
        for kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"):
            link = f"/proc/1/ns/{kind}"
            first = self.exec(self.container, "readlink", link).out
            self.assertEqual(self.exec(self.container, "readlink", link.replace("1", "self", 1)).out, first)

    def test_terminal(self):
        terminal = self.terminal(*self.client(), "exec", "-it", self.container, "sh")
        terminal.expect(r"# ")
        terminal.send("tty; stty size\n")
        terminal.expect(r"/dev/pts/\d+")
        terminal.expect("40 100")
        terminal.send("exit 3\n")
        self.assertEqual(terminal.wait(), 3)

    def test_detached(self):
        self.exec("-d", self.container, "sh", "-c", "echo done > /tmp/mark")
        eventually(lambda: self.exec(self.container, "cat", "/tmp/mark", check=False).out == "done", "the mark")

    def test_many_at_once(self):
        with ThreadPoolExecutor(10) as pool:
            results = list(pool.map(lambda i: self.exec(self.container, "echo", str(i)).out, range(20)))
        self.assertEqual(results, [str(i) for i in range(20)])

    def test_in_a_stopped_container(self):
        self.docker("kill", self.container)
        self.await_state(self.container, "exited")
        self.assertNotEqual(self.exec(self.container, "true", check=False).code, 0)


def pids_of(command):
    """Host pids whose command line is exactly `command`."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if file.read().rstrip(b"\0").replace(b"\0", b" ").decode() == command:
                    found.append(int(path.split("/")[2]))
        except (OSError, UnicodeDecodeError):
            pass
    return found
