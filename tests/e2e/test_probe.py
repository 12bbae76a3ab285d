"""`gabion probe` from inside containers: what it finds open where much is open, and nothing where it must not."""

import json
import resource
import shutil
import subprocess
import unittest

from runtime import RUNTIME, Case, needs_maximum, only_gabion, own_capabilities
from test_hardening import careless


def wide_open(document):
    """No container of the host's root could have more, but for the namespaces it is given."""
    document["process"]["capabilities"] = {kind: own_capabilities() for kind in (
        "bounding", "effective", "permitted", "inheritable")}
    document["process"]["noNewPrivileges"] = False
    document["root"]["readonly"] = False
    for key in ("seccomp", "maskedPaths", "readonlyPaths"):
        document["linux"].pop(key, None)
    for mount in document["mounts"]:
        mount["options"] = ["rw"]


@only_gabion
class Probe(Case):
    def probe(self, edit=None):
        """The report of a container's first process, which executes the program that entered it."""
        return json.loads(self.inside("/proc/self/exe", "probe", "--format", "json", edit=edit).out)

    @staticmethod
    def found(report):
        return {check["name"] for check in report["checks"] if check["open"] and check["weight"] > 0}

    def test_restricted_leaves_nothing_open(self):
        for edit in (None, careless):
            report = self.probe(edit)
            self.assertEqual(self.found(report), set())
            self.assertEqual(report["score"], 100)

    def test_few_descriptors_change_nothing(self):
        def few(document):
            document["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 256, "hard": 256}]
        report = self.probe(few)
        self.assertEqual(report, self.probe() | {"checks": report["checks"]})
        self.assertEqual(self.found(report), set())
        self.assertEqual(report["score"], 100)

    def test_without_means_nothing_counts_as_closed(self):
        def outside(**options):
            done = subprocess.run([RUNTIME, "probe", "--format", "json"], stdout=subprocess.PIPE, check=True, **options)
            return json.loads(done.stdout)

        def none_left():
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        with_means, without = outside(), outside(preexec_fn=none_left)
        self.assertLessEqual(self.found(with_means), self.found(without))
        self.assertLess(without["score"], with_means["score"])
        self.assertIn("too many open files", without["systemCallsNotMeasured"].lower())

    def test_an_executed_process_sees_the_same(self):
        name = self.running()
        first = json.loads(self.execute(name, "/proc/self/exe", "probe", "--format", "json").out)
        self.assertEqual(self.found(first), set())

    @needs_maximum
    def test_maximum_is_no_weaker(self):
        # Its monitor has the listener that measuring needs.
        self.use_policy({"extends": "maximum", "violations": {"*": "off"}})
        name, directory = self.bundle("gabion", "probe", "--format", "json")
        # Landlock lets no program run that is not in the container's own tree.
        self.refused(self.inside("/proc/self/exe", "probe", check=False), "permission denied")
        shutil.copy2(RUNTIME, directory + "/rootfs/bin/gabion")
        self.assertEqual(json.loads(self.gabion("run", "--bundle", directory, name).out)["score"], 100)
        self.use_policy("maximum")
        report = json.loads(self.gabion("run", "--bundle", directory, name).out)
        self.assertEqual(self.found(report), {check["name"] for check in report["checks"]
                                              if check["group"] == "system calls"})
        self.assertLess(report["score"], 80)
        self.assertIn("listener", report["systemCallsNotMeasured"])

    def test_it_finds_what_is_open(self):
        self.use_policy("passthrough")
        report = self.probe(wide_open)
        found = self.found(report)
        for name in ("root here is root of the host", "capabilities over the host", "no seccomp filter", "mount API",
                     "the host's user namespace", "a new user namespace", "a new mount namespace", "a new tmpfs",
                     "the root is not read-only", "files written and then executed", "raw frames (AF_PACKET)",
                     "clone with a new user namespace", "typing into a terminal (TIOCSTI)", "/proc/kallsyms", "/proc/kmsg",
                     "/proc/sys/kernel/core_pattern", "device nodes made", "capabilities that programs inherit (CVE-2022-29162)"):
            self.assertIn(name, found)
        self.assertLess(report["score"], 50)
        self.assertGreater(len([row for row in report["systemCalls"]["native"] if row["answer"] == "reached"]), 500)

    def test_every_number_has_an_answer(self):
        report = self.probe()
        native = report["systemCalls"]["native"]
        self.assertEqual([row["number"] for row in native], list(range(len(native))))
        answers = {row.get("name"): row["answer"] for row in native}
        self.assertEqual(answers["read"], "reached")
        self.assertEqual(answers["mount"], "EPERM")
        self.assertEqual(answers["clone3"], "ENOSYS")
        self.assertGreater(len(native), 500)
        self.assertNotIn("reached", {row["answer"] for row in report["systemCalls"]["i386"]})
        self.assertNotIn("reached", {row["answer"] for row in report["systemCalls"]["x32"]})

    def test_the_same_questions_everywhere(self):
        inside = self.probe()
        # Where a monitor listens, the calls cannot be measured.
        self.use_policy({"extends": "restricted", "violations": {"*": "log"}})
        watched = self.probe()
        outside = json.loads(subprocess.run([RUNTIME, "probe", "--format", "json"], stdout=subprocess.PIPE, check=True).stdout)
        names = [[(check["group"], check["name"], check["weight"]) for check in report["checks"]]
                 for report in (inside, outside, watched)]
        self.assertEqual(names[0], names[1])
        self.assertEqual(names[0], names[2])
        self.assertEqual(watched["systemCalls"], {})
        text = self.inside("/proc/self/exe", "probe").out
        self.assertIn("NOT MEASURED", text)
        self.assertEqual(len(set(names[0])), len(names[0]))

    def test_nothing_is_left_behind(self):
        def tree():
            return self.execute(name, "sh", "-c", "find / -xdev | sort; cat /proc/mounts; "
                                                  "find /tmp /dev /run /var -exec stat -c '%n %a %u' {} +").out
        name = self.running()
        before = tree()
        self.execute(name, "/proc/self/exe", "probe")
        self.assertEqual(tree(), before)
        self.assertEqual(len(json.loads(self.gabion("ps", "--format", "json", name).out)), 1)


if __name__ == "__main__":
    unittest.main()
