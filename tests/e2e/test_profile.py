"""`gabion profile record`: what a container calls as a seccomp profile, and a policy that pins it."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from runtime import HERE, Case, Process, only_gabion, wait_until

# x86-64's numbers.
MOUNT, GETPPID, GETPGRP, GETUID, PAUSE = 165, 110, 111, 102, 34
EPERM = -1
# In every profile (docs/seccomp.md).
ALWAYS = {"clock_getres", "clock_gettime", "close", "execve", "exit", "exit_group", "getcpu", "gettimeofday",
          "restart_syscall", "rt_sigreturn", "seccomp", "sendmsg", "time"}


class ProfileCase(Case):
    def setUp(self):
        super().setUp()
        self.profile = self.work + "/profile.json"
        # Every directory above a pinned profile must be root's alone: /var/tmp is not.
        self.trusted = tempfile.mkdtemp(prefix="gabion-e2e-seccomp.", dir="/var/lib")
        self.addCleanup(shutil.rmtree, self.trusted)

    def calls(self, *numbers, edit=None):
        """A bundle whose program makes exactly these calls, and its own three."""
        name, bundle = self.bundle("/bin/calls", *map(str, numbers), edit=edit)
        self.compile(bundle)
        return name, bundle

    @staticmethod
    def compile(bundle):
        subprocess.run(["gcc", "-static", "-nostdlib", "-O1", "-Wall", "-Werror", "-fno-stack-protector", "-o",
                        bundle + "/rootfs/bin/calls", HERE + "/calls.c"], check=True)

    def record(self, name, bundle, check=True, **options):
        return self.gabion("profile", "record", "--bundle", bundle, "--output", self.profile, name, check=check,
                           **options)

    def recording(self, name, bundle):
        """A recording in the background, whose container runs."""
        log = open(self.work + "/recording.log", "wb")  # pylint: disable=consider-using-with
        self.addCleanup(log.close)
        process = Process(self.command("profile", "record", "--bundle", bundle, "--output", self.profile, name),
                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.assertTrue(wait_until(lambda: self.gabion("state", name, check=False).code == 0 and
                                   self.status(name) == "running"))
        return process

    def said(self):
        with open(self.work + "/recording.log", encoding="utf-8") as file:
            return file.read()

    def document(self):
        with open(self.profile, encoding="utf-8") as file:
            return json.load(file)

    def names(self):
        return set(self.document()["syscalls"][0]["names"])

    def pin(self, text=None, name="profile.json", **more):
        """Puts the profile where a policy may name it; the entry of seccompFilters."""
        path = f"{self.trusted}/{name}"
        if text is None:
            shutil.copyfile(self.profile, path)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        os.chmod(path, 0o644)
        return {"file": path, **more}

    @staticmethod
    def sha256(path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


@only_gabion
class Record(ProfileCase):
    def test_exactly_its_calls(self):
        done = self.record(*self.calls(GETPPID, GETUID))
        self.assertEqual(done.lines, ["110 0", "102 0"])
        document = self.document()
        rule = document["syscalls"][0]
        self.assertEqual(document, {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
                                    "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule]})
        self.assertEqual(rule["action"], "SCMP_ACT_ALLOW")
        self.assertEqual(set(rule["names"]), ALWAYS | {"write", "getppid", "getuid"})
        self.assertEqual(rule["names"], sorted(rule["names"]))

    def test_the_same_calls_give_the_same_text(self):
        self.record(*self.calls(GETPPID, GETUID))
        first = self.sha256(self.profile)
        self.record(*self.calls(GETUID, GETPPID, GETUID))
        self.assertEqual(self.sha256(self.profile), first)

    def test_a_number_without_a_name_costs_itself_alone(self):
        """Any process of the container may call any number, under a policy without a filter of its own."""
        self.use_policy("passthrough")
        done = self.record(*self.calls(GETPPID, 999, 1023, 5000, edit=lambda config: config["linux"].pop("seccomp")))
        self.assertEqual(done.lines, ["110 0", "999 -38", "1023 -38", "5000 -38"])
        self.assertEqual(self.names(), ALWAYS | {"write", "getppid"})
        for number in (999, 1023):
            self.assertIn(f"system call {number} was made and has no name", done.err)

    def test_what_is_denied_stays_denied_and_is_not_in_it(self):
        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["getuid"], "action": "SCMP_ACT_ERRNO",
                                                             "errnoRet": 77})
        done = self.record(*self.calls(MOUNT, GETUID, edit=edit))
        self.assertEqual(done.lines, [f"165 {EPERM}", "102 -77"])
        self.assertEqual(self.names(), ALWAYS | {"write"})

    def test_hardened_as_run_is(self):
        """The recording filter comes on top of the others, and everything else is as ever."""
        command = ("sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status; cat /proc/self/uid_map; "
                   "awk '{print $5, $6}' /proc/self/mountinfo")
        name, bundle = self.bundle(*command)
        recorded = self.record(name, bundle).lines
        name, bundle = self.bundle(*command)
        run = self.gabion("run", "--bundle", bundle, name).lines

        def others(lines):
            return [line for line in lines if not line.startswith("Seccomp_filters") and "1879" not in line]
        self.assertEqual(others(recorded), others(run))

        def filters(lines):
            return int(next(line for line in lines if line.startswith("Seccomp_filters")).split()[1])
        self.assertEqual(filters(recorded), filters(run) + 1)
        self.assertEqual([event["event"] for event in self.events()],
                         ["container.create", "container.start", "container.delete"] * 2)

    def test_children_and_what_they_execute(self):
        done = self.record(*self.bundle("sh", "-c", "(sync; true) & (mkdir /tmp/a; chmod 700 /tmp/a) & wait; exit 7"),
                           check=False)
        self.assertEqual(done.code, 7, str(done))
        self.assertLessEqual({"clone", "execve", "wait4", "sync", "mkdir", "chmod", "exit_group"}, self.names())

    def test_a_container_that_forks_and_is_killed(self):
        name, bundle = self.bundle("sh", "-c", "for i in 1 2 3 4; do (while :; do true & wait; done) & done; wait")
        process = self.recording(name, bundle)
        self.assertTrue(wait_until(lambda: len(json.loads(self.gabion("ps", "--format", "json", name).out)) > 4))
        self.gabion("kill", name, "KILL")
        self.assertEqual(process.finish(20), 128 + signal.SIGKILL, self.said())
        self.assertLessEqual({"clone", "wait4"}, self.names())
        self.assert_clean()

    def test_a_signal_is_forwarded_and_its_handler_runs(self):
        name, bundle = self.bundle("probe", "sleep-term")
        process = self.recording(name, bundle)
        self.assertTrue(wait_until(lambda: "ready" in self.said()))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.finish(20), 42, self.said())
        self.assertLessEqual({"pause", "rt_sigaction"}, self.names())
        self.assert_clean()

    def test_a_killed_runtime_takes_the_recorder_and_the_container_along(self):
        name, bundle = self.bundle("sh", "-c", "while :; do true & wait; done")
        process = self.recording(name, bundle)
        process.kill()
        self.assertEqual(process.finish(20), -signal.SIGKILL)
        self.wait_status(name, "stopped")
        self.assertFalse(os.path.exists(self.profile))
        self.gabion("delete", "--force", name)
        self.assert_clean()

    def test_exec_is_refused(self):
        name, bundle = self.calls(PAUSE)
        process = self.recording(name, bundle)
        self.refused(self.execute(name, "true", check=False), "recorded", "gabion profile record")
        self.gabion("kill", name, "KILL")
        self.assertEqual(process.finish(20), 128 + signal.SIGKILL, self.said())

    def test_a_program_that_is_not_there(self):
        with open(self.profile, "w", encoding="utf-8") as file:
            file.write("of before")
        self.refused(self.record(*self.bundle("/absent"), check=False), "/absent")
        with open(self.profile, encoding="utf-8") as file:
            self.assertEqual(file.read(), "of before")
        self.assert_clean()

    def test_a_place_that_is_not_there_is_said_at_once(self):
        self.profile = self.work + "/absent/profile.json"
        self.refused(self.record(*self.calls(GETPPID), check=False), "--output", "/absent")
        self.assertFalse(os.path.exists(self.audit) and self.events())

    def test_the_profile_goes_to_the_current_directory(self):
        name, bundle = self.calls(GETPPID)
        self.gabion("profile", "record", "--bundle", bundle, name, cwd=self.work)
        self.profile = f"{self.work}/{name}.json"
        self.assertIn("getppid", self.names())

    def test_a_refusal_of_the_policy_is_one_here_too(self):
        def edit(document):
            document["mounts"].append({"destination": "/x", "type": "bind", "source": "/etc", "options": ["rbind"]})
        self.refused(self.record(*self.calls(GETPPID, edit=edit), check=False), "mounts.sensitive_path")
        self.assertFalse(os.path.exists(self.profile))

    def test_a_filter_with_a_listener_of_its_own(self):
        self.use_policy({"extends": "restricted", "rules": {"seccomp.listener": "warn"}})
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(self.work + "/agent.sock")
            agent.listen()

            def edit(document):
                document["linux"]["seccomp"]["listenerPath"] = self.work + "/agent.sock"
                document["linux"]["seccomp"]["syscalls"].append({"names": ["getuid"], "action": "SCMP_ACT_NOTIFY"})
            self.refused(self.record(*self.calls(GETPPID, edit=edit), check=False), "listener", "only one")
        self.assert_clean()

    def test_violations_need_the_listener(self):
        self.use_policy({"extends": "restricted", "violations": {"*": "log"}})
        self.refused(self.record(*self.calls(GETPPID), check=False), "violations", '"off"')
        self.assert_clean()
        self.use_policy({"extends": "restricted", "violations": {"*": "off"}})
        self.assertEqual(self.record(*self.calls(GETPPID, MOUNT)).lines, ["110 0", f"165 {EPERM}"])

    def test_a_traced_call_would_be_let_through(self):
        self.use_policy({"extends": "restricted", "rules": {"seccomp.trace": "warn"}})

        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["getuid"], "action": "SCMP_ACT_TRACE"})
        self.refused(self.record(*self.calls(GETUID, edit=edit), check=False), "SCMP_ACT_TRACE")
        self.assert_clean()


@only_gabion
class Pinned(ProfileCase):
    def setUp(self):
        super().setUp()
        self.record(*self.calls(GETPPID))
        self.entry = self.pin(sha256=self.sha256(self.profile))

    def use_pins(self, *entries, **more):
        self.use_policy({"extends": "restricted", "seccompFilters": list(entries), **more})

    def run_calls(self, *numbers, check=True, edit=None):
        name, bundle = self.calls(*numbers, edit=edit)
        return self.gabion("run", "--bundle", bundle, name, check=check)

    def test_what_was_recorded_runs_and_nothing_else(self):
        self.use_pins(self.entry)
        self.assertEqual(self.run_calls(GETPPID, GETUID, GETPGRP).lines, ["110 0", f"102 {EPERM}", f"111 {EPERM}"])

    def test_the_control_is_the_profile(self):
        self.assertEqual(self.run_calls(GETPPID, GETUID, GETPGRP).lines, ["110 0", "102 0", "111 1"])

    def test_it_is_stacked_and_not_put_in_place_of_others(self):
        everything = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
        self.use_pins(self.pin(everything, "everything.json"), self.entry)

        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["getppid"], "action": "SCMP_ACT_ERRNO",
                                                             "errnoRet": 77})
        self.assertEqual(self.run_calls(GETPPID, MOUNT, GETUID, edit=edit).lines,
                         ["110 -77", f"165 {EPERM}", f"102 {EPERM}"])

    def test_violations_are_heard_of_beside_it(self):
        """What both deny is the monitor's to answer."""
        self.use_pins(self.entry, violations={"*": "log"})
        self.assertEqual(self.run_calls(GETPPID, MOUNT, GETUID).lines,
                         ["110 0", f"165 {EPERM}", f"102 {EPERM}"])
        self.assertTrue(wait_until(lambda: any("violation" in event["event"] for event in self.events())),
                        self.events())

    def test_a_specification_that_forbids_seccomp(self):
        """Its own filter is the last to be loaded."""
        self.use_pins(self.entry)

        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["seccomp"], "action": "SCMP_ACT_ERRNO"})
        self.assertEqual(self.run_calls(GETPPID, GETUID, edit=edit).lines, ["110 0", f"102 {EPERM}"])

    def test_exec_gets_what_the_container_was_created_with(self):
        process = self.recording(*self.calls(GETPPID, PAUSE))
        name = f"c{self.count}"
        self.assertTrue(wait_until(lambda: "110 0" in self.said()))
        self.gabion("kill", name, "KILL")
        self.assertEqual(process.finish(20), 128 + signal.SIGKILL)
        self.use_pins(self.pin(sha256=self.sha256(self.profile)))
        name, bundle = self.calls(GETPPID, PAUSE)
        self.gabion("run", "--detach", "--bundle", bundle, name)
        # Neither the file nor the policy of now.
        os.unlink(self.entry["file"])
        self.use_policy("restricted")
        done = self.execute(name, "/bin/calls", GETPPID, GETUID)
        self.assertEqual(done.lines, ["110 0", f"102 {EPERM}"])

    def test_the_decision_is_told(self):
        self.use_pins(self.entry)
        name, bundle = self.calls(GETPPID)
        shown = self.gabion("explain", bundle).out
        self.assertIn("seccomp.pinned", shown)
        self.assertIn(self.entry["file"], shown)
        document = json.loads(self.gabion("explain", "--format", "json", bundle).out)
        self.assertEqual(document["controls"]["seccompFilters"], [self.entry])
        self.gabion("run", "--bundle", bundle, name)
        decisions = next(event for event in self.events()[3:] if event["event"] == "container.create")["decisions"]
        pinned = [entry for entry in decisions if entry["rule"] == "seccomp.pinned"]
        self.assertEqual([entry["outcome"] for entry in pinned], ["tightened"])
        self.assertIn(self.entry["sha256"], pinned[0]["after"])

    def test_an_exception_pins_for_its_workloads_alone(self):
        name, bundle = self.calls(GETPPID, GETUID)
        exception = {"name": "narrow", "reason": "a test", "match": {"bundle": bundle}, "seccompFilters": [self.entry]}
        broken = {"name": "broken", "reason": "a test", "match": {"bundle": "/absent"},
                  "seccompFilters": [{"file": "/absent.json"}]}
        self.use_policy({"extends": "restricted", "exceptions": [exception, broken]})
        self.assertEqual(self.gabion("run", "--bundle", bundle, name).lines, ["110 0", f"102 {EPERM}"])
        self.assertEqual(self.run_calls(GETPPID, GETUID).lines, ["110 0", "102 0"])

    def refuses(self, entry, *texts):
        """The container does not start, explain says so, the check of the policy too; each says why."""
        self.use_pins(entry)
        name, bundle = self.calls(GETPPID)
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "seccomp.pinned", entry["file"], *texts)
        self.assertEqual(self.events()[-1]["event"], "policy.deny")
        self.assertEqual(self.gabion("explain", bundle, check=False).code, 1)
        self.refused(self.gabion("policy", "check", self.policy_file, check=False), "seccompFilters", entry["file"],
                     *texts)
        self.assert_clean()

    def test_a_wrong_sha256(self):
        self.refuses({**self.entry, "sha256": "0" * 64}, "SHA-256", "fix:")

    def test_a_file_of_somebody_else(self):
        os.chown(self.entry["file"], 1000, 1000)
        self.refuses(self.entry, "belong to root", "uid 1000", "chown root:root")

    def test_a_file_others_may_write(self):
        os.chmod(self.entry["file"], 0o664)
        self.refuses(self.entry, "writable by root alone", "chmod go-w")

    def test_a_directory_others_may_write(self):
        os.chmod(self.trusted, 0o777)
        self.refuses(self.entry, "a directory above it")

    def test_a_link_to_a_directory_others_may_write(self):
        os.mkdir(self.work + "/open")
        shutil.copyfile(self.profile, self.work + "/open/profile.json")
        os.symlink(self.work + "/open", self.trusted + "/link")
        self.refuses({"file": self.trusted + "/link/profile.json"}, "a directory above it")

    def test_a_symbolic_link(self):
        os.symlink(self.entry["file"], self.trusted + "/link.json")
        self.refuses({"file": self.trusted + "/link.json"}, "symbolic link")

    def test_a_fifo(self):
        os.mkfifo(self.trusted + "/fifo", 0o600)
        self.refuses({"file": self.trusted + "/fifo"}, "regular file")

    def test_no_file(self):
        self.refuses({"file": self.trusted + "/absent.json"}, "no such file")

    def test_garbage(self):
        for text, why in (("", "profile.json"), ("{", "profile.json"), ("[]", "object"), ("{}", "syscalls"),
                          ('{"syscalls": []}', "defaultAction"),
                          ('{"defaultAction": "SCMP_ACT_ALOW", "syscalls": []}', "SCMP_ACT_ALOW"),
                          ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": '
                           '"SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}', "includes"),
                          ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": '
                           '"SCMP_ACT_TRACE"}]}', "SCMP_ACT_TRACE"),
                          ('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}', "does not allow seccomp"),
                          ('{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x", "syscalls": []}', "listenerPath")):
            with self.subTest(text=text):
                self.refuses(self.pin(text), why)

    def test_a_tier_that_enforces_nothing(self):
        self.use_policy({"extends": "passthrough", "seccompFilters": [self.entry]})
        name, bundle = self.calls(GETPPID)
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "seccompFilters", "enforce")

    def test_no_rule_turns_it_off(self):
        self.use_pins(self.entry, rules={"seccomp.pinned": "warn"})
        name, bundle = self.calls(GETPPID)
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "seccomp.pinned")

    def test_a_policy_that_is_in_order(self):
        self.use_pins(self.entry)
        self.assertIn("valid", self.gabion("policy", "check", self.policy_file).out)


if __name__ == "__main__":
    unittest.main()
