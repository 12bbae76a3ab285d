"""Every command over a container's life, in runc's shapes, codes and words."""

import json
import os
import signal
import subprocess
import threading
import time
import unittest

from runtime import Case, Process, RUNTIME, IS_GABION, only_gabion, wait_until, own_processes


class Life(Case):
    def test_create_start_kill_delete(self):
        name, bundle = self.bundle("probe", "sleep-term")
        self.gabion("create", "--bundle", bundle, "--pid-file", self.work + "/pid", name)
        state = self.state(name)
        self.assertEqual(state["status"], "created")
        self.assertEqual(state["id"], name)
        self.assertEqual(state["bundle"], bundle)
        self.assertEqual(state["ociVersion"][0], "1")
        with open(self.work + "/pid", encoding="utf-8") as file:
            self.assertEqual(int(file.read()), state["pid"])
        # Nothing of the image runs before the start.
        self.assertNotEqual(os.readlink(f"/proc/{state['pid']}/exe").rsplit("/", 1)[1], "probe")
        self.gabion("start", name)
        self.wait_status(name, "running")
        self.assertEqual(self.state(name)["pid"], state["pid"])
        self.assertTrue(wait_until(lambda: os.readlink(f"/proc/{state['pid']}/exe").endswith("/probe")))
        self.refused(self.gabion("start", name, check=False), "cannot start an already running container")
        self.refused(self.gabion("delete", name, check=False), "is not stopped")
        time.sleep(0.05)
        self.gabion("kill", name, "TERM")
        self.wait_status(name, "stopped")
        self.assertEqual(self.state(name)["pid"], 0)
        self.refused(self.gabion("kill", name, "TERM", check=False), "container not running")
        self.refused(self.gabion("start", name, check=False), "cannot start a container that has stopped")
        self.gabion("delete", name)
        self.refused(self.gabion("state", name, check=False), "does not exist")
        self.refused(self.gabion("delete", name, check=False), "does not exist")
        self.gabion("delete", "--force", name)

    def test_delete_of_a_created_container(self):
        name = self.created()
        pid = self.state(name)["pid"]
        self.gabion("delete", "--force", name)
        self.assertTrue(wait_until(lambda: pid not in own_processes()))

    def test_the_same_id_twice(self):
        name, bundle = self.bundle()
        self.gabion("create", "--bundle", bundle, name)
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "already exists")
        self.assertEqual(self.status(name), "created")

    def test_exit_codes(self):
        for script, code in (("true", 0), ("false", 1), ("exit 42", 42), ("kill -9 $$; sleep 1", None)):
            done = self.inside("sh", "-c", script, check=False)
            if code is not None:
                self.assertEqual(done.code, code, str(done))

    def test_killed_run_exits_with_128_and_the_signal(self):
        name, bundle = self.bundle("sleep", "1000")
        process = Process(self.command("run", "--bundle", bundle, name), stdin=subprocess.DEVNULL)
        self.assertTrue(wait_until(lambda: self.gabion("state", name, check=False).code == 0 and
                                   self.status(name) == "running"))
        self.gabion("kill", name, "KILL")
        self.assertEqual(process.wait(10), 137)
        self.refused(self.gabion("state", name, check=False), "does not exist")

    def test_run_forwards_signals(self):
        name, bundle = self.bundle("probe", "sleep-term")
        process = Process(self.command("run", "--bundle", bundle, name), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 42)
        process.stdout.close()

    def test_run_reads_and_writes_the_callers_streams(self):
        done = subprocess.run(self.command("run", "--bundle", self.bundle("tr", "a-z", "A-Z")[1], "c1"),
                              input=b"hello\n", capture_output=True, check=True, timeout=30)
        self.assertEqual(done.stdout, b"HELLO\n")

    def test_large_output_through_a_pipe(self):
        name, bundle = self.bundle("sh", "-c", "yes | head -c 3000000")
        done = subprocess.run(self.command("run", "--bundle", bundle, name), stdin=subprocess.DEVNULL,
                              capture_output=True, check=True, timeout=30)
        self.assertEqual(len(done.stdout), 3000000)

    def test_keep(self):
        name, bundle = self.bundle("sh", "-c", "exit 7")
        self.assertEqual(self.gabion("run", "--keep", "--bundle", bundle, name, check=False).code, 7)
        self.assertEqual(self.status(name), "stopped")
        self.gabion("delete", name)

    def test_detached_run_writes_the_pid_file_and_stays(self):
        name = self.running(flags=("--pid-file", self.work + "/pid"))
        self.assertEqual(self.status(name), "running")
        with open(self.work + "/pid", encoding="utf-8") as file:
            self.assertEqual(int(file.read()), self.state(name)["pid"])
        self.assertEqual(oct(os.stat(self.work + "/pid").st_mode & 0o777), "0o644")

    def test_config_from_elsewhere(self):
        name, bundle = self.bundle("echo", "elsewhere")
        os.rename(bundle + "/config.json", bundle + "/other.json")
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "no such file or directory")
        if IS_GABION:
            self.assertEqual(self.gabion("run", "--bundle", bundle, "--config", "other.json", name).out, "elsewhere")

    def test_bundle_is_the_current_directory_by_default(self):
        name, bundle = self.bundle("echo", "here")
        self.assertEqual(self.gabion("run", name, cwd=bundle).out, "here")

    def test_signal_names(self):
        name = self.running("sh", "-c", "trap 'exit 3' USR1; trap 'exit 4' HUP; while :; do usleep 10000; done")
        time.sleep(0.1)
        self.refused(self.gabion("kill", name, "NONSENSE", check=False), "unknown signal")
        self.gabion("kill", name, "SIGUSR1")
        self.wait_status(name, "stopped")

    def test_kill_zero_looks_only(self):
        name = self.running()
        self.gabion("kill", name, "0")
        self.assertEqual(self.status(name), "running")

    def test_kill_all_after_exit(self):
        name = self.running("true")
        self.wait_status(name, "stopped")
        self.gabion("kill", "--all", name, "9")

    def test_kill_all_reaches_every_process(self):
        name = self.running("sh", "-c", "sleep 1000 & sleep 1000 & wait")
        self.assertTrue(wait_until(lambda: len(json.loads(self.gabion("ps", "--format", "json", name).out)) == 3))
        self.gabion("kill", "--all", name, "KILL")
        self.wait_status(name, "stopped")
        self.assertEqual(json.loads(self.gabion("ps", "--format", "json", name).out or "[]") or [], [])

    def test_list(self):
        first, second = self.running(), self.created()
        rows = self.gabion("list").lines
        self.assertEqual(rows[0].split(), ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
        self.assertEqual([row.split()[0] for row in rows[1:]], [first, second])
        self.assertEqual([row.split()[2] for row in rows[1:]], ["running", "created"])
        self.assertEqual(self.gabion("list", "-q").lines, [first, second])
        documents = json.loads(self.gabion("list", "--format", "json").out)
        self.assertEqual([entry["id"] for entry in documents], [first, second])
        self.assertEqual(documents[0]["status"], "running")
        self.assertEqual(documents[0]["owner"], "root")
        self.refused(self.gabion("list", "--format", "yaml", check=False), "invalid format")

    def test_ps(self):
        name = self.running("sh", "-c", "sleep 1000 & sleep 1000")
        pids = []

        def both():
            pids[:] = json.loads(self.gabion("ps", "--format", "json", name).out)
            return len(pids) == 3 or len(pids) == 2
        self.assertTrue(wait_until(both))
        self.assertIn(self.state(name)["pid"], pids)
        self.assertIn("PID", self.gabion("ps", name).lines[0])
        only = self.gabion("ps", name, "-o", "pid,args").lines
        self.assertTrue(all("sleep" in line or "sh" in line for line in only[1:]), only)

    def test_pause_and_resume(self):
        name = self.running("sh", "-c", "while :; do echo x >> /tmp/ticks; usleep 5000; done")
        self.assertTrue(wait_until(lambda: self.execute(name, "sh", "-c", "wc -l < /tmp/ticks", check=False).out not in
                                   ("", "0")))
        self.refused(self.gabion("resume", name, check=False), "not paused")
        self.gabion("pause", name)
        self.assertEqual(self.status(name), "paused")
        pid = self.state(name)["pid"]

        def ticks():
            return os.stat(f"/proc/{pid}/root/tmp/ticks").st_size
        before = ticks()
        time.sleep(0.1)
        self.assertEqual(ticks(), before)
        self.refused(self.execute(name, "true", check=False), "paused")
        self.refused(self.gabion("delete", name, check=False), "not stopped")
        self.gabion("resume", name)
        self.assertEqual(self.status(name), "running")
        self.assertTrue(wait_until(lambda: ticks() > before))

    def test_kill_of_a_paused_container(self):
        name = self.running()
        self.gabion("pause", name)
        self.gabion("kill", name, "KILL")
        self.wait_status(name, "stopped")
        self.gabion("delete", name)

    def test_delete_force_of_a_paused_container(self):
        name = self.running()
        self.gabion("pause", name)
        self.gabion("delete", "--force", name)

    def test_no_such_container(self):
        for words in (("state",), ("start",), ("kill",), ("delete",), ("pause",), ("resume",), ("ps",),
                      ("update", "--pids-limit", "10"), ("events", "--stats")):
            self.refused(self.gabion(*words, "missing", check=False), "does not exist")
        self.refused(self.gabion("exec", "missing", "true", check=False), "does not exist")

    def test_ids(self):
        _, bundle = self.bundle()
        for name in ("..", ".", "../x", "a/b", "", "x y", "a\nb", "a~", "\u00e9", "a" * 1025):
            self.refused(self.gabion("create", "--bundle", bundle, name, check=False))
            self.refused(self.gabion("delete", "--force", name, check=False))
        self.assertEqual(os.listdir(self.root) if os.path.isdir(self.root) else [], [])
        for name in ("a.b", "a_b+c-d", "A" * 200):
            self.ids.add(name)
            self.gabion("create", "--bundle", bundle, name)
            self.gabion("delete", "--force", name)

    def test_regex(self):
        if not IS_GABION:
            self.skipTest("crun's flag")
        first, second = self.running(), self.running()
        self.gabion("kill", "--regex", "^c[12]$", "KILL")
        self.wait_status(first, "stopped")
        self.gabion("delete", "--regex", "^c.*")
        self.assertEqual(self.gabion("list", "-q").out, "")
        del second


class Words(Case):
    """The texts on which engines decide 126, 127 and what they tell people."""

    def test_no_program(self):
        self.refused(self.inside("absent", check=False), 'exec: "absent": executable file not found in $PATH')
        self.refused(self.inside("/absent", check=False), "/absent", "no such file or directory")

    def test_not_executable(self):
        self.refused(self.inside("/etc/plain", check=False), "permission denied")
        self.refused(self.inside("/etc", check=False), "/etc", "permission denied" if IS_GABION else "directory")

    def test_no_interpreter(self):
        name, bundle = self.bundle("/bin/script")
        with open(bundle + "/rootfs/bin/script", "w", encoding="utf-8") as file:
            file.write("#!/absent/interpreter\n")
        os.chmod(bundle + "/rootfs/bin/script", 0o755)
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "no such file or directory")

    def test_exec_of_no_program(self):
        name = self.running()
        self.refused(self.execute(name, "absent", check=False), "executable file not found in $PATH")
        self.refused(self.execute(name, "/etc/plain", check=False), "permission denied")
        self.refused(self.execute(name, "/absent", check=False), "no such file or directory")
        self.assertEqual(self.execute(name, "absent", check=False).code, 255)
        self.assertEqual(self.execute(name, "echo", "still here").out, "still here")

    def test_program_missing_at_start(self):
        """Found at create, gone at start: an error, then stopped."""
        name, bundle = self.bundle("/bin/true2")
        os.symlink("busybox", bundle + "/rootfs/bin/true2")
        self.gabion("create", "--bundle", bundle, name)
        os.unlink(bundle + "/rootfs/bin/true2")
        self.refused(self.gabion("start", name, check=False), "no such file or directory")
        self.wait_status(name, "stopped")
        self.gabion("delete", name)

    def test_create_of_a_missing_program_leaves_nothing(self):
        name, bundle = self.bundle("absent")
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "executable file not found")
        self.assert_clean()

    @only_gabion
    def test_log_file(self):
        log = self.work + "/log.json"
        done = self.gabion("--log", log, "--log-format", "json", "state", "missing", check=False)
        self.assertNotEqual(done.code, 0)
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(lines[-1]["level"], "error")
        self.assertIn("does not exist", lines[-1]["msg"])
        self.assertIn("time", lines[-1])

    def test_version_and_features(self):
        self.assertTrue(self.gabion("--version").lines[0].startswith("runc version "))
        features = json.loads(self.gabion("features").out)
        self.assertIn("user", features["linux"]["namespaces"])
        self.assertIn("poststop", features["hooks"])

    def test_spec_runs(self):
        name, bundle = self.bundle()
        os.unlink(bundle + "/config.json")
        self.gabion("spec", "--bundle", bundle)
        self.refused(self.gabion("spec", "--bundle", bundle, check=False), "exists")
        with open(bundle + "/config.json", encoding="utf-8") as file:
            document = json.load(file)
        document["process"].update(terminal=False, args=["echo", "from spec"])
        document["linux"]["cgroupsPath"] = f"/{self.cgroup_name()}-{name}"
        self.write_config(bundle, document)
        self.assertEqual(self.gabion("run", "--bundle", bundle, name).out, "from spec")

    def cgroup_name(self):
        from runtime import GROUP
        return f"{GROUP}/{os.path.basename(self.work)}"

    def test_bad_flags(self):
        self.refused(self.gabion("run", "--nonsense", "x", check=False), "nonsense")
        self.refused(self.gabion("state", check=False), "exactly 1 argument")
        self.assertEqual(self.gabion("nonsense", check=False).code, 3)


class Limits(Case):
    def test_update(self):
        name = self.running()
        self.gabion("update", "--pids-limit", "23", "--memory", "64m", name)
        found = self.cgroup_file(name, "pids.max")
        self.assertEqual(found, "23")
        self.gabion("update", "--resources", "-", name, stdin=json.dumps({"memory": {"limit": 33554432}}))
        self.assertIn("33554432", (self.cgroup_file(name, "memory.limit_in_bytes"), self.cgroup_file(name, "memory.max")))
        self.assertEqual(self.cgroup_file(name, "pids.max"), "23")
        self.refused(self.gabion("update", "--memory", "lots", name, check=False))
        self.refused(self.gabion("update", "--resources", "-", name, check=False, stdin="{"))
        self.refused(self.gabion("update", "--resources", "-", name, check=False, stdin='{"memory":{"limit":"1"}}'))

    def cgroup_file(self, name, file):
        for directory in self.cgroups(name):
            path = os.path.join(directory, file)
            if os.path.exists(path):
                with open(path, encoding="utf-8") as stream:
                    return stream.read().strip()
        return None

    def test_limits_of_the_spec(self):
        def edit(document):
            document["linux"]["resources"] = {"pids": {"limit": 20}, "memory": {"limit": 50 << 20},
                                              "cpu": {"quota": 20000, "period": 100000}}
        name = self.running(edit=edit)
        self.assertEqual(self.cgroup_file(name, "pids.max"), "20")
        self.assertIn(str(50 << 20), (self.cgroup_file(name, "memory.limit_in_bytes"),
                                      self.cgroup_file(name, "memory.max")))
        made = int(self.execute(name, "probe", "fork", "50").out)
        self.assertLess(made, 20)
        self.gabion("kill", "--all", name, "KILL")

    def test_oom_kill(self):
        def edit(document):
            document["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
        done = self.inside("probe", "eat", "64", edit=edit, check=False)
        self.assertEqual(done.code, 137, str(done))

    def test_events(self):
        name = self.running()
        event = json.loads(self.gabion("events", "--stats", name).out)
        self.assertEqual((event["type"], event["id"]), ("stats", name))
        self.assertGreater(event["data"]["pids"]["current"], 0)
        self.assertIn("usage", event["data"]["memory"])
        process = Process(self.command("events", "--interval", "50ms", name), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        self.assertEqual([line["type"] for line in lines], ["stats", "stats"])
        self.gabion("kill", name, "KILL")
        self.assertEqual(process.wait(10), 0)
        process.stdout.close()

    def test_oom_event(self):
        def edit(document):
            document["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
        name = self.running(edit=edit)
        process = Process(self.command("events", "--interval", "100s", name), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        self.assertEqual(json.loads(process.stdout.readline())["type"], "stats")
        self.execute(name, "probe", "eat", "64", check=False)
        lines = []

        def read():
            lines.append(process.stdout.readline())
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(10)
        self.gabion("kill", name, "KILL")
        process.wait(10)
        process.stdout.close()
        reader.join()
        self.assertEqual(json.loads(lines[0])["type"], "oom")


class Engines(Case):
    """go-runc's order of calls, flags and all, as containerd and Docker make it."""

    def test_as_containerd_calls(self):
        name, bundle = self.bundle("sh", "-c", "echo started; sleep 1000")
        log = bundle + "/log.json"

        def call(*words, **options):
            return self.gabion("--log", log, "--log-format", "json", *words, **options)
        call("create", "--bundle", bundle, "--pid-file", bundle + "/init.pid", name)
        call("start", name)
        process = bundle + "/process.json"
        with open(process, "w", encoding="utf-8") as file:
            json.dump({"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["sh", "-c", "echo x > /tmp/exec"],
                       "env": ["PATH=/bin"], "cwd": "/"}, file)
        call("exec", "--process", process, "--detach", "--pid-file", bundle + "/exec.pid", name)
        pid = self.state(name)["pid"]
        self.assertTrue(wait_until(lambda: os.path.exists(f"/proc/{pid}/root/tmp/exec")))
        call("update", "--resources=-", name, stdin='{"pids":{"limit":100}}')
        call("pause", name)
        call("resume", name)
        self.assertIn(pid, json.loads(call("ps", "--format", "json", name).out))
        call("kill", name, "15")
        call("kill", "--all", name, "9")
        self.wait_status(name, "stopped")
        call("kill", "--all", name, "9")
        call("delete", name)
        call("delete", "--force", name)
        self.assertTrue(RUNTIME)


if __name__ == "__main__":
    unittest.main()
