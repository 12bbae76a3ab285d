"""Denied calls that nothing harmless makes: audit events, and what the policy answers."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time

from runtime import HERE, SOURCE, Case, config_of, only_gabion, wait_until

WATCHING = {"extends": "restricted", "violations": {"*": "log"}}
# What probe calls it → (system call, kind of violation, errno)
DANGEROUS = {
    "mount-tmpfs": ("mount", "mounts", "EPERM"),
    "umount-mask": ("umount2", "mounts", "EPERM"),
    "fsopen": ("fsopen", "mounts", "EPERM"),
    "mount-setattr": ("mount_setattr", "mounts", "EPERM"),
    "unshare-user": ("unshare", "namespaces", "EPERM"),
    "clone-user": ("clone", "namespaces", "EPERM"),
    "ptrace-init": ("ptrace", "tracing", "EPERM"),
    "bpf": ("bpf", "bpf", "EPERM"),
    "perf": ("perf_event_open", "bpf", "EPERM"),
    "keyctl": ("keyctl", "keys", "EPERM"),
    "add-key": ("add_key", "keys", "EPERM"),
    "init-module": ("init_module", "modules", "EPERM"),
    "kexec": ("kexec_load", "modules", "EPERM"),
    "userfaultfd": ("userfaultfd", "userfaultfd", "EPERM"),
    "io-uring": ("io_uring_setup", "io_uring", "EPERM"),
    "open-by-handle": ("open_by_handle_at", "handles", "EPERM"),
    "socket-packet": ("socket", "sockets", "EAFNOSUPPORT"),
    "socket-alg": ("socket", "sockets", "EAFNOSUPPORT"),
    "socket-vsock": ("socket", "sockets", "EAFNOSUPPORT"),
    "reboot": ("reboot", "host", "EPERM"),
    "settime": ("clock_settime", "host", "EPERM"),
    "tiocsti": ("ioctl", "terminal", "EPERM"),
}


def docker_like(document):
    """The filter that Docker 20.10 sends. It denies by default, and what both deny must be heard of, too."""
    with open(SOURCE + "/tests/unit/oci/specs/config-docker-20.10-default.json", encoding="utf-8") as file:
        document["linux"]["seccomp"] = json.load(file)["linux"]["seccomp"]


def errno_of(name):
    return {"EPERM": 1, "EAFNOSUPPORT": 97}[name]


class Watched(Case):
    policy = WATCHING

    def violations(self, event="violation"):
        return [line for line in self.events() if line["event"] == event]

    def monitor(self, name):
        with open(f"{self.root}/{name}/state.json", encoding="utf-8") as file:
            return json.load(file)["monitorPid"]

    def of(self, syscall):
        return [line["violation"] for line in self.violations() if line["violation"]["syscall"] == syscall]

    def bundle(self, *args, **options):
        name, directory = super().bundle(*args, **options)
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", directory + "/rootfs/bin/violator",
                        HERE + "/violator.c"], check=True)
        return name, directory

    def waiting(self, words, edit=None):
        """A container that runs the words once `go` is called, and its root directory as the host sees it."""
        name = self.running("sh", "-c", f"until [ -e /tmp/go ]; do usleep 10000; done; {words} > /tmp/answer; "
                                        "touch /tmp/done; sleep 1000", edit=edit)
        return name, f"/proc/{self.state(name)['pid']}/root"

    def go(self, root):
        """What the words of a waiting container printed."""
        with open(root + "/tmp/go", "w", encoding="utf-8"):
            pass
        wait_until(lambda: os.path.exists(root + "/tmp/done"), 30)
        with open(root + "/tmp/answer", encoding="utf-8") as file:
            answer = file.read().splitlines()
        self.assertTrue(os.path.exists(root + "/tmp/done"), f"did not come to its end: {answer}")
        return answer

    def kill_monitor(self, name):
        pid = self.monitor(name)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: self.ended(pid)))

    @staticmethod
    def ended(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
        except FileNotFoundError:
            return True


@only_gabion
class Violations(Watched):
    def test_every_dangerous_call_is_an_event(self):
        for edit in (None, docker_like):
            with self.subTest(filter="the engine's" if edit else "lax"):
                if os.path.exists(self.audit):
                    os.remove(self.audit)
                done = self.inside("probe", "try", *DANGEROUS, edit=edit)
                self.assertEqual(done.lines, [f"{name} {errno}" for name, (_, _, errno) in DANGEROUS.items()])
                for name, (syscall, kind, errno) in DANGEROUS.items():
                    seen = [line for line in self.of(syscall) if line["kind"] == kind]
                    self.assertTrue(seen, f"{name}: nothing in the log")
                    self.assertEqual(seen[0]["errno"], errno_of(errno), name)
                    self.assertEqual(seen[0]["exe"], "/bin/probe")
                    self.assertGreaterEqual(seen[0]["uid"], 1879048192)
                    self.assertEqual(len(seen[0]["arguments"]), 6)

    def test_event_says_what_who_and_under_which_policy(self):
        self.inside("probe", "try", "socket-packet", "unshare-user")
        first, second = self.violations()
        self.assertEqual((first["outcome"], first["detail"], first["container"]), ("refuse", "log", "c1"))
        self.assertEqual(first["policy"]["name"], "restricted")
        self.assertEqual(first["violation"]["number"], 41)
        self.assertEqual(first["violation"]["arguments"][:3], ["0x11", "0x3", "0x0"])  # AF_PACKET, SOCK_RAW
        self.assertEqual(second["violation"]["arguments"][0], "0x10000000")  # CLONE_NEWUSER
        self.assertNotEqual(first["violation"]["pid"], second["violation"]["pid"])
        begun = self.violations("monitor.start")
        self.assertEqual(len(begun), 1)

    def test_raw_sockets_are_violations_unless_granted(self):
        self.assertEqual(self.inside("probe", "try", "socket-raw").lines, ["socket-raw EPERM"])
        self.assertEqual([line["errno"] for line in self.of("socket")], [1])
        os.remove(self.audit)
        self.use_policy({**WATCHING, "capabilities": ["...", "CAP_NET_RAW"]})
        # The kernel's own answer: the network namespace is not the container's.
        self.assertEqual(self.inside("probe", "try", "socket-raw").lines, ["socket-raw EPERM"])
        self.assertEqual(self.violations(), [])

    def test_what_is_allowed_is_no_event(self):
        done = self.script("echo x > /tmp/x; cat /tmp/x; ls / > /dev/null; ip link > /dev/null; nc 127.0.0.1 80 "
                           "2>&1 < /dev/null; echo y | sort", edit=docker_like)
        self.assertEqual(done.lines, ["x", "nc: can't connect to remote host (127.0.0.1): Connection refused", "y"])
        self.assertEqual(self.violations(), [])

    def test_exec_is_watched_too(self):
        name = self.running()
        done = self.execute(name, "probe", "try", "mount-tmpfs")
        self.assertEqual(done.lines, ["mount-tmpfs EPERM"])
        self.assertEqual(len(self.of("mount")), 1)
        self.assertEqual(len(self.violations("monitor.start")), 1)

    def test_log_cannot_be_drowned(self):
        # Three calls in a flood, and one made a single time in the middle of it.
        self.inside("sh", "-c", "for i in $(seq 300); do umount /proc/sys; done 2> /dev/null & "
                                "for i in $(seq 300); do unshare -U true; done 2> /dev/null & "
                                "usleep 100000; probe try bpf > /dev/null; wait")
        lines = self.violations()
        self.assertLess(len(lines), 40)
        self.assertEqual(len(self.of("bpf")), 1)
        told = len(self.of("umount2")) + sum(line["violation"].get("unreported", 0) for line in lines
                                             if line["violation"]["syscall"] == "umount2")
        for line in self.violations("violation.repeated"):
            counts = dict(part.rsplit(" ", 1) for part in line["detail"].split(", "))
            told += int(counts.get("umount2", 0))
        self.assertEqual(told, 300)  # none is lost: told, or counted

    def test_kill(self):
        self.use_policy({**WATCHING, "violations": {"*": "log", "tracing": "kill"}})
        done = self.script("(sleep 1000; echo survived) & probe try mount-tmpfs; probe try ptrace-init; echo survived",
                           check=False)
        self.assertEqual(done.code, 128 + signal.SIGKILL)
        self.assertEqual(done.lines, ["mount-tmpfs EPERM"])
        self.assertEqual([line["detail"] for line in self.violations()], ["log", "kill"])
        self.assertIn("container.kill", [line["event"] for line in self.events()])

    def test_kill_ends_an_exec_as_well(self):
        self.use_policy({**WATCHING, "violations": {"mounts": "kill"}})
        name = self.running()
        done = self.execute(name, "probe", "try", "mount-tmpfs", check=False)
        self.assertEqual(done.code, 128 + signal.SIGKILL)
        self.wait_status(name, "stopped")

    def test_freeze(self):
        self.use_policy({**WATCHING, "violations": {"mounts": "freeze"}})
        name = self.running("sh", "-c", "probe try mount-tmpfs > /tmp/answer; touch /tmp/went-on; sleep 1000")
        self.wait_status(name, "paused")
        self.assertEqual([line["detail"] for line in self.violations()], ["freeze"])
        self.gabion("resume", name)
        self.wait_status(name, "running")
        # Denied all the same; and the call is not made, and answered, once more.
        self.assertTrue(wait_until(lambda: self.execute(name, "test", "-e", "/tmp/went-on", check=False).code == 0))
        self.assertEqual(self.execute(name, "cat", "/tmp/answer").out, "mount-tmpfs EPERM")
        self.assertEqual(len(self.violations()), 1)

    def test_off_is_denied_and_not_told(self):
        self.use_policy({**WATCHING, "violations": {"*": "log", "mounts": "off"}})
        done = self.inside("probe", "try", "mount-tmpfs", "bpf")
        self.assertEqual(done.lines, ["mount-tmpfs EPERM", "bpf EPERM"])
        self.assertEqual([line["violation"]["syscall"] for line in self.violations()], ["bpf"])

    def test_off_costs_the_node_nothing(self):
        self.use_policy({**WATCHING, "violations": {"*": "off", "mounts": "log"}})
        name, root = self.waiting("violator flood 4 2", edit=docker_like)
        pid = self.monitor(name)
        before = self.cpu_ns(pid)
        self.assertEqual(self.go(root), ["flood EPERM"])
        self.assertLess(self.cpu_ns(pid) - before, 5_000_000)

    @staticmethod
    def cpu_ns(pid):
        with open(f"/proc/{pid}/schedstat", encoding="utf-8") as file:
            return int(file.read().split()[0])

    def test_caller_with_many_groups_is_itself(self):
        done = self.inside("violator", "groups")
        self.assertEqual(done.lines, ["keyctl EPERM"])
        seen = self.of("keyctl")[0]
        self.assertGreaterEqual(seen["uid"], 1879048192)
        self.assertGreater(seen["pid"], 1)
        self.assertEqual(seen["exe"], "/bin/violator")

    def test_kill_is_told_though_the_caller_was_killed_first(self):
        self.use_policy({**WATCHING, "violations": {"tracing": "kill"}})
        killed = 0
        for i in range(20):
            # How long a process takes to its first call is the machine's: the steps of the wait grow from less than a
            # microsecond to half a millisecond, twice.
            self.inside("violator", "killed", "30", str(500 << (i % 10)), check=False)
            events = [line["event"] for line in self.events()]
            os.remove(self.audit)
            killed += "container.kill" in events
            self.assertEqual("violation" in events, "container.kill" in events, events)
        self.assertGreater(killed, 0)

    def test_how_much_a_container_may_write(self):
        # A long name of a program, each byte of it six in the log, and every call there is.
        name, directory = self.bundle("true")
        path = "".join("/" + "\x01" * 250 for _ in range(12))
        os.makedirs(directory + "/rootfs" + path)
        shutil.copy2(directory + "/rootfs/bin/violator", directory + "/rootfs" + path + "/violator")
        document = config_of(directory)
        document["process"]["args"] = [path + "/violator", "each", "20"]
        self.write_config(directory, document)
        self.gabion("run", "--bundle", directory, name)
        lines = self.violations()
        kinds = {line["violation"]["number"] for line in lines}
        self.assertGreater(len(kinds), 30)
        self.assertLessEqual(len(lines), 50 + len(kinds))
        self.assertTrue(lines[0]["violation"]["exe"].endswith("more bytes)"), lines[0])
        with open(self.audit, encoding="utf-8") as file:
            longest = max(len(line) for line in file if '"event":"violation"' in line)
        self.assertLess(longest, 4000)
        told = sum(1 + line["violation"].get("unreported", 0) for line in lines)
        for line in self.violations("violation.repeated"):
            told += sum(int(part.rsplit(" ", 1)[1]) for part in line["detail"].split(", "))
        self.assertEqual(told, 20 * len(kinds))

    def test_without_answers_there_is_no_monitor(self):
        self.use_policy("restricted")
        name = self.running()
        self.assertEqual(self.monitor(name), 0)
        self.assertFalse(os.path.exists(f"{self.root}/{name}/monitor.sock"))


@only_gabion
class Monitor(Watched):
    """The process beside the container, and what happens without it."""

    def test_holds_nothing_of_the_callers(self):
        name = self.running()
        pid = self.monitor(name)
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        # Its streams, the log, two sockets and descriptors of the kernel's own.
        own = [link for link in links if link not in ("/dev/null", self.audit) and not link.startswith("socket:")
               and not link.startswith("anon_inode:")]
        self.assertEqual(own, [])
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            self.assertEqual(file.read(), "gabion-monitor\n")
        self.assertEqual([group for group in self.cgroups(name) if self.member(group, pid)], [])

    @staticmethod
    def member(group, pid):
        with open(group + "/cgroup.procs", encoding="utf-8") as file:
            return str(pid) in file.read().split()

    def test_calls_are_denied_when_it_is_killed(self):
        # Where it is gone the kernel gives its place to whoever asks (seccomp(2), NEW_LISTENER), and of two
        # filters that say USER_NOTIF the newer is asked: a container must not answer itself.
        for edit in (None, docker_like):
            with self.subTest(filter="the engine's" if edit else "lax"):
                name, root = self.waiting("violator listener probe try " + " ".join(DANGEROUS), edit=edit)
                self.kill_monitor(name)
                self.assertEqual(self.go(root), ["listener EBUSY"] + [f"{call} ENOSYS" for call in DANGEROUS])

    def test_nobody_takes_its_place_while_it_listens(self):
        done = self.inside("violator", "listener", "probe", "try", "ptrace-init", "keyctl")
        self.assertEqual(done.lines, ["listener EBUSY", "ptrace-init EPERM", "keyctl EPERM"])

    def test_exec_cannot_take_its_place(self):
        name = self.running()
        self.assertEqual(self.execute(name, "violator", "listener", "probe", "try", "mount-tmpfs").lines,
                         ["listener EBUSY", "mount-tmpfs EPERM"])

    def test_goes_on_listening_when_it_is_stopped_and_continued(self):
        # A signal makes poll(2) of a listener say POLLERR while a call holds the listener's lock.
        name, root = self.waiting("violator flood 16 3")
        pid = self.monitor(name)
        with open(root + "/tmp/go", "w", encoding="utf-8"):
            pass
        end = time.monotonic() + 3
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.go(root), ["flood EPERM"])
        self.assertEqual(self.execute(name, "probe", "try", "bpf").lines, ["bpf EPERM"])

    def test_exec_is_refused_when_it_is_killed(self):
        name = self.running()
        os.kill(self.monitor(name), signal.SIGKILL)
        self.assertTrue(wait_until(lambda: self.execute(name, "true", check=False).code != 0))
        self.refused(self.execute(name, "true", check=False), "violations", "monitor has ended", "create it again")

    def limited(self, *words, soft, hard, **options):
        """The runtime under these limits of descriptors."""
        return self.gabion(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
                           **options)

    def test_hears_of_more_processes_than_the_callers_limit(self):
        name, bundle = self.bundle("sleep", "1000")
        self.limited("run", "--detach", "--bundle", bundle, name, soft=40, hard=4096)
        for _ in range(45):
            self.limited("exec", "--detach", name, "sleep", "1000", soft=40, hard=4096)
        self.assertEqual(self.execute(name, "probe", "try", "mount-tmpfs").lines, ["mount-tmpfs EPERM"])
        self.assertEqual(len(self.of("mount")), 1)

    def test_says_when_it_has_no_descriptor_left(self):
        name, bundle = self.bundle("sleep", "1000")
        self.limited("run", "--detach", "--bundle", bundle, name, soft=40, hard=40)
        done = None
        for _ in range(45):
            done = self.execute(name, "sleep", "1000", flags=["--detach"], check=False)
            if done.code != 0:
                break
        self.refused(done, "violations", "no descriptor left", "RLIMIT_NOFILE")
        self.assertEqual(self.status(name), "running")
        before = Violations.cpu_ns(self.monitor(name))
        time.sleep(0.5)
        self.assertLess(Violations.cpu_ns(self.monitor(name)) - before, 50_000_000)  # it does not spin

    def test_start_is_refused_when_it_is_killed(self):
        name = self.created()
        pid = self.monitor(name)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: self.ended(pid)))
        self.refused(self.gabion("start", name, check=False), "violations", "monitor")
        self.wait_status(name, "stopped")

    def test_ends_with_the_container(self):
        for how in ("created", "running", "killed", "run"):
            with self.subTest(how=how):
                if how == "run":
                    self.inside("true")
                    self.assert_clean(how)
                    continue
                name = self.created() if how == "created" else self.running()
                pid = self.monitor(name)
                self.assertGreater(pid, 0)
                if how == "killed":  # by somebody else, and nobody deletes the container
                    os.kill(self.state(name)["pid"], signal.SIGKILL)
                    self.assertTrue(wait_until(lambda pid=pid: self.ended(pid)))
                self.gabion("delete", "--force", name)
                self.assertTrue(self.ended(pid))

    def test_nothing_is_left_of_a_create_that_fails(self):
        self.refused(self.inside("/no/such/program", check=False), "no such file")
        self.assert_clean("a program that does not exist")

    def test_listener_of_the_engine_and_the_monitor_exclude_each_other(self):
        self.use_policy({**WATCHING, "rules": {"seccomp.listener": "warn"}})

        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["uname"], "action": "SCMP_ACT_NOTIFY"})
            document["linux"]["seccomp"]["listenerPath"] = "/run/none.sock"
        self.refused(self.inside("true", edit=edit, check=False), "violations", "only one", "seccomp.listener")


if __name__ == "__main__":
    import unittest
    unittest.main()
