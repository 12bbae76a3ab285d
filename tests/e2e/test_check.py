"""`gabion check`: what it says of this node, of nodes made wrong on purpose, and that it leaves nothing."""

import glob
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from runtime import IDS, RUNTIME, Case, Process, only_gabion, own_processes, reap, wait_until

GAPS = "/run/gabion/gaps"


def mounts(directory):
    """What is mounted below the directory, and on /run, where the probe puts layers in a namespace of its own."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return sorted(line for line in file if directory in line or line.split()[4] == "/run")


@only_gabion
class CheckCase(Case):
    def setUp(self):
        super().setUp()
        self.docker = self.work + "/daemon.json"
        self.containerd = self.work + "/config.toml"
        self.write(self.docker, json.dumps({"exec-opts": ["native.cgroupdriver=cgroupfs"],
                                            "runtimes": {"gabion": {"path": RUNTIME}}}))
        self.write(self.containerd, "version = 2\n")

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def check(self, *flags):
        """The result and, by the name of the check, the list of its findings."""
        result = self.gabion("check", "--docker-config", self.docker, "--containerd-config", self.containerd,
                             "--format", "json", *flags, check=False)
        self.assertEqual(result.err, "")
        document = json.loads(result.out)
        self.assertEqual(document["ready"], result.code == 0)
        found = {}
        for each in document["checks"]:
            self.assertEqual("fix" in each, each["result"] != "pass", each)
            self.assertTrue(each["found"], each)
            found.setdefault(each["check"], []).append(each)
        for name in ("pass", "warn", "fail"):
            self.assertEqual(document[name], sum(each["result"] == name for each in document["checks"]))
        self.assertEqual(document["ready"], document["fail"] == 0)
        return result, found

    def text(self, *flags):
        return self.gabion("check", "--docker-config", self.docker, "--containerd-config", self.containerd, *flags,
                           check=False)

    def one(self, found, name):
        self.assertEqual(len(found.get(name, ())), 1, found.get(name))
        return found[name][0]

    def fails(self, name, *words, flags=()):
        """The check fails with these words, in JSON and in text; its finding."""
        result, found = self.check(*flags)
        self.assertEqual(result.code, 1)
        finding = next((each for each in found.get(name, ()) if each["result"] == "fail"), None)
        self.assertIsNotNone(finding, result.out)
        for word in words:
            self.assertIn(word, finding["found"] + " " + finding["fix"])
        shown = self.text(*flags)
        self.assertEqual(shown.code, 1)
        self.assertRegex(shown.out, rf"(?m)^fail +{name} ")
        self.assertIn("\nnot ready: ", shown.out)
        return finding


class ThisNode(CheckCase):
    def test_the_node_that_runs_these_tests_is_ready(self):
        _, found = self.check()
        for name in ("kernel", "user-namespace", "namespaces", "pidfd", "no-new-privs", "seccomp", "overlay", "policy",
                     "id-range", "audit-log", "docker"):
            for each in found[name]:
                self.assertEqual(each["result"], "pass", each)
        for name in ("idmap", "tmpfs-idmap", "seccomp-notify", "memfd-noexec", "landlock", "mdwe", "time-namespace",
                     "cgroups", "aes", "sha"):
            for each in found[name]:
                self.assertNotEqual(each["result"], "fail", each)
        self.assertIn("Linux " + os.uname().release, self.one(found, "kernel")["found"])
        self.assertIn(RUNTIME, self.one(found, "docker")["found"])

    def test_the_table_says_what_json_says(self):
        _, found = self.check()
        lines = self.text().out.splitlines()
        self.assertEqual(lines[0].split(), ["RESULT", "CHECK", "FOUND"])
        for name in found:
            self.assertTrue([line for line in lines if line.split()[1:2] == [name]], name)
        self.assertTrue(all(len(line) <= 100 or " " not in line.strip() for line in lines if "/" not in line), lines)

    def test_it_leaves_nothing(self):
        before = mounts(self.work)
        self.check("--path", self.work)
        self.assertEqual(sorted(os.listdir(self.work)), ["config.toml", "daemon.json"])
        self.assertTrue(wait_until(lambda: mounts(self.work) == before, 2))
        self.assertEqual(own_processes(), [])
        self.assertEqual(self.probe_groups(), [])
        for name in ("containers", "ids", "filters", "gaps"):
            for entry in glob.glob(f"/run/gabion/{name}/*"):
                self.assertNotIn(os.path.basename(self.work), entry)

    def probe_groups(self):
        return [path for path in glob.glob("/sys/fs/cgroup/gabion-check-*") + glob.glob("/sys/fs/cgroup/*/gabion-check-*")
                if not os.path.isdir("/proc/" + path.rsplit("-", 1)[1])]

    def test_killed_at_any_moment_it_leaves_nothing(self):
        before = mounts(self.work)
        started = time.monotonic()
        self.check("--path", self.work)
        whole = time.monotonic() - started
        for step in range(16):
            process = Process(self.command("check", "--path", self.work), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
            time.sleep(whole * step / 16)
            process.kill()
            process.wait()
        self.assertTrue(wait_until(lambda: reap() or not own_processes(), 3), own_processes())
        self.assertTrue(wait_until(lambda: mounts(self.work) == before, 2))
        self.check()  # clears the group of a check that was killed while it had one
        self.assertEqual(self.probe_groups(), [])
        self.assertEqual(glob.glob(self.work + "/.gabion-check-*"), [])

    def test_help_names_its_flags(self):
        shown = self.gabion("check", "--help").out
        for word in ("--format", "--path", "--docker-config", "--containerd-config", "changes"):
            self.assertIn(word, shown)
        self.assertIn("\n   check ", self.gabion("--help").out)

    def test_an_unknown_format_is_an_error(self):
        self.refused(self.text("--format", "xml"), "invalid format option")


class FileSystems(CheckCase):
    def test_a_file_system_that_cannot_be_idmapped_fails(self):
        finding = self.fails("idmap", "proc", "ext4", flags=("--path", "/proc"))
        self.assertEqual(finding["subject"], "/proc")

    def test_several_paths_are_each_tried(self):
        result, found = self.check("--path", self.work, "--path", self.work + "/none")
        self.assertEqual(result.code, 1)
        results = {each["subject"]: each["result"] for each in found["idmap"]}
        self.assertEqual(results[self.work], "pass")
        self.assertEqual(results[self.work + "/none"], "fail")
        self.assertEqual(self.one(found, "overlay")["subject"], self.work)

    def test_the_engines_own_directory_is_tried(self):
        os.mkdir(self.work + "/data")
        self.write(self.docker, json.dumps({"data-root": self.work + "/data"}))
        _, found = self.check()
        self.assertIn(self.work + "/data", [each["subject"] for each in found["idmap"]])


class OwnFiles(CheckCase):
    def test_ids_that_users_have_fail(self):
        self.use_policy({"extends": "restricted", "ids": {"base": 1, "count": 131072, "size": 65536}})
        finding = self.fails("id-range", "user daemon (1)", "is free")
        self.assertIn('"base": ', finding["fix"])

    def test_the_base_it_proposes_is_good(self):
        self.use_policy({"extends": "restricted", "ids": {"base": 1, "count": 131072, "size": 65536}})
        finding = self.fails("id-range")
        base = int(finding["fix"].split('"base": ')[1].split()[0])
        self.use_policy({"extends": "restricted", "ids": {"base": base, "count": 131072, "size": 65536}})
        _, found = self.check()
        self.assertEqual(self.one(found, "id-range")["result"], "pass")

    def test_a_policy_without_user_namespaces_needs_no_idmap(self):
        self.use_policy("passthrough")
        result, found = self.check("--path", "/proc")
        self.assertEqual(result.code, 0, result.out)
        self.assertIn("warn", [each["result"] for each in found["idmap"]])
        self.assertIn("not used", self.one(found, "id-range")["found"])

    def test_a_policy_that_is_not_valid_fails(self):
        self.use_policy({"extends": "restricted", "colour": "blue"})
        self.fails("policy", "colour", "gabion policy check " + self.policy_file)

    def test_a_policy_others_may_write_fails(self):
        self.use_policy("restricted")
        os.chmod(self.policy_file, 0o666)
        self.fails("policy", self.policy_file)

    def test_a_log_others_may_write_fails(self):
        self.write(self.audit, "")
        os.chmod(self.audit, 0o666)
        self.fails("audit-log", "writable by group or others")

    def test_a_link_for_a_log_fails(self):
        os.symlink("/dev/null", self.audit)
        self.fails("audit-log", "symbolic link")

    def test_a_file_that_is_no_log_fails_and_stays_as_it_was(self):
        self.write(self.audit, "no record\n")
        self.fails("audit-log")
        with open(self.audit, encoding="utf-8") as file:
            self.assertEqual(file.read(), "no record\n")


class Engines(CheckCase):
    def test_a_runtime_whose_file_is_missing_fails(self):
        self.write(self.docker, json.dumps({"runtimes": {"gabion": {"path": self.work + "/gone"}}}))
        finding = self.fails("docker", "does not exist", "/usr/local/bin")
        self.assertEqual(finding["subject"], self.docker)

    def test_a_runtime_that_cannot_be_executed_fails(self):
        self.write(self.work + "/gabion", "")
        self.write(self.docker, json.dumps({"runtimes": {"gabion": {"path": self.work + "/gabion"}}}))
        self.fails("docker", "is not executable")

    def test_a_runtime_others_may_write_fails(self):
        self.write(self.work + "/gabion", "")
        os.chmod(self.work + "/gabion", 0o777)
        self.write(self.docker, json.dumps({"runtimes": {"gabion": {"path": self.work + "/gabion"}}}))
        self.fails("docker", "can be written by others")

    def test_systemd_cgroups_fail(self):
        self.write(self.docker, json.dumps({"exec-opts": ["native.cgroupdriver=systemd"],
                                            "runtimes": {"gabion": {"path": RUNTIME}}}))
        self.fails("docker", "systemd", "native.cgroupdriver=cgroupfs")

    def test_a_configuration_docker_cannot_read_fails(self):
        self.write(self.docker, "{")
        self.fails("docker", self.docker)
        os.unlink(self.docker)
        self.fails("docker", self.docker)

    def test_containerd_is_read_too(self):
        self.write(self.docker, "{}")
        table = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.gabion.options]\n'
        self.write(self.containerd, table + f'  BinaryName = "{RUNTIME}"\n')
        _, found = self.check()
        self.assertEqual(self.one(found, "containerd")["result"], "pass")
        self.assertNotIn("engines", found)
        self.write(self.containerd, table + f'  BinaryName = "{self.work}/gabion"\n')
        self.fails("containerd", "does not exist")
        self.write(self.containerd, table + f'  BinaryName = "{RUNTIME}"\n  SystemdCgroup = true\n')
        self.fails("containerd", "SystemdCgroup = false")

    def test_no_engine_for_gabion_is_a_warning(self):
        self.write(self.docker, "{}")
        _, found = self.check()
        self.assertEqual(self.one(found, "engines")["result"], "warn")
        self.assertIn(self.docker, self.one(found, "engines")["found"])
        self.assertNotIn("docker", found)


class Leftovers(CheckCase):
    def containers(self):
        _, found = self.check()
        return [each for each in found["containers"] if each["subject"].startswith(self.root)]

    def dead(self, name):
        finding = next(each for each in self.containers() if each["subject"] == f"{self.root}/{name}")
        self.assertEqual(finding["result"], "warn")
        self.assertIn(f"{self.root}/{name}: ", " ".join(self.text().out.split()))
        return finding

    def clear(self, finding):
        words = finding["fix"].split()
        self.assertEqual(words[:3], ["gabion", "--root", self.root])
        self.gabion(*words[3:])

    def test_a_living_container_is_no_leftover(self):
        self.running("sleep", "1000")
        only, = self.containers()
        self.assertEqual((only["result"], only["subject"]), ("pass", self.root))
        self.assertIn("1, none of them dead", only["found"])

    def test_a_container_whose_process_is_gone_is_cleared_by_the_command(self):
        name = self.running("sleep", "1000")
        os.kill(self.state(name)["pid"], signal.SIGKILL)
        self.wait_status(name, "stopped")
        finding = self.dead(name)
        self.assertIn("its process is gone", finding["found"])
        self.clear(finding)
        self.assertEqual([each["result"] for each in self.containers()], ["pass"])
        self.assert_clean()

    def test_a_container_whose_creator_was_killed_is_cleared_by_the_command(self):
        self.use_policy("passthrough")

        def slow(document):
            document["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"]}]}

        name, directory = self.bundle("true", edit=slow)
        creator = Process(self.command("create", "--bundle", directory, name), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.assertTrue(wait_until(lambda: os.path.exists(f"{self.root}/{name}/config.json")))
        creator.kill()
        creator.wait()
        self.wait_status(name, "stopped")
        finding = self.dead(name)
        self.assertIn("whoever was creating it was killed", finding["found"])
        self.clear(finding)
        self.assertEqual([each["result"] for each in self.containers()], ["pass"])

    def test_a_half_removed_container_is_cleared_by_the_command(self):
        os.makedirs(self.root, 0o700)
        os.mkdir(self.root + "/~999999999.1")
        finding, = self.containers()
        self.assertEqual(finding["result"], "warn")
        self.assertIn("~999999999.1", finding["found"])
        self.clear(finding)
        self.assertEqual(os.listdir(self.root), [])

    def test_a_state_directory_others_may_write_fails(self):
        os.makedirs(self.root)
        os.chmod(self.root, 0o777)
        try:
            self.fails("containers", "may be written by others", "chmod 0700")
        finally:
            os.chmod(self.root, 0o700)

    def test_an_id_range_without_an_owner_is_cleared_by_the_command(self):
        os.makedirs(IDS, 0o700, exist_ok=True)
        free = next(base for base in range(2147418112, 1879048192, -65536)
                    if not os.path.lexists(f"{IDS}/{base}"))
        os.symlink(self.root + "/gone", f"{IDS}/{free}")
        self.addCleanup(lambda: os.path.lexists(f"{IDS}/{free}") and os.unlink(f"{IDS}/{free}"))
        _, found = self.check()
        finding = self.one(found, "id-slots")
        self.assertEqual(finding["result"], "warn")
        # On a registry of the test's own: the node's may be in use by others.
        own = self.work + "/ids"
        os.mkdir(own)
        os.symlink(self.root + "/gone", f"{own}/65536")
        os.symlink(self.work, f"{own}/131072")
        self.write(own + "/.grid", "65536+0")
        subprocess.run(["sh", "-c", finding["fix"].replace(IDS, own)], check=True)
        self.assertEqual(sorted(os.listdir(own)), [".grid", ".lock", "131072"])

    def test_a_process_with_the_ids_of_a_container_that_is_gone_fails(self):
        free = next(base for base in range(2147352576, 1879048192, -65536) if not os.path.lexists(f"{IDS}/{base}"))
        stray = Process(["sleep", "1000"], user=free + 1000, group=free + 1000)
        self.addCleanup(lambda: stray.poll() is None and (stray.kill(), stray.wait()))
        finding = self.fails("processes", str(stray.pid))
        # Only this one: the node may have others.
        self.assertIn(str(stray.pid), finding["fix"].removeprefix("kill -9").split())
        stray.kill()
        stray.wait()
        _, found = self.check()
        self.assertNotIn(str(stray.pid), self.one(found, "processes")["found"])

    def test_a_mount_in_a_state_directory_is_cleared_by_the_command(self):
        place = self.root + "/c1/stage"
        os.makedirs(place)
        os.chmod(self.root, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "stage", place], check=True)
        _, found = self.check()
        finding = self.one(found, "mounts")
        self.assertEqual((finding["result"], finding["subject"]), ("warn", place))
        self.assertEqual(finding["fix"], "umount -l " + place)
        subprocess.run(["sh", "-c", finding["fix"]], check=True)
        _, found = self.check()
        self.assertEqual(self.one(found, "mounts")["result"], "pass")
        shutil.rmtree(self.root)

    def test_events_that_were_not_logged_are_a_warning(self):
        name = self.running("sleep", "1000")
        self.addCleanup(lambda: [os.unlink(path) for path in glob.glob(f"{GAPS}/*{os.path.basename(self.work)}*")])
        os.rename(self.audit, self.audit + ".kept")
        os.mkdir(self.audit)
        self.gabion("kill", name, "KILL")
        _, found = self.check()
        self.assertEqual(self.one(found, "audit-gaps")["result"], "warn")
        self.assertEqual(self.one(found, "audit-log")["result"], "fail")
        os.rmdir(self.audit)


if __name__ == "__main__":
    unittest.main()
