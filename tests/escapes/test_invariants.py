"""What every test compares at its end does notice: each kind of change is made here, in what belongs to the case."""

import os
import subprocess
import unittest

from escape import Escape


class Invariants(Escape):
    def noticed(self, text, check=None, **options):
        with self.assertRaises(AssertionError) as caught:
            (check or self.compare)(**options)
        self.assertIn(text, str(caught.exception))

    def test_file_outside(self):
        with open(self.outside + "/made", "w", encoding="utf-8"):
            pass
        self.noticed("outside of the host changed", running=True)
        os.unlink(self.outside + "/made")
        os.chmod(self.outside + "/secret", 0o666)
        self.noticed("outside of the host changed", running=True)
        os.chmod(self.outside + "/secret", 0o644)

    def test_mount(self):
        place = self.directory("place")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        self.noticed("mounts of the host changed", running=True)
        subprocess.run(["umount", place], check=True)

    def test_setting_and_file_of_the_runtime(self):
        """Nothing is really changed: what was noted before is."""
        for name, key in (("values", "/proc/sys/kernel/core_pattern"), ("values", "/proc/sys/vm/overcommit_memory")):
            value = self.before[name][key]
            self.assertFalse(value.startswith("("), key)
            self.before[name][key] = value + "x"
            self.noticed("values of the host changed", running=True)
            self.before[name][key] = value
        before, self.before["runtime"] = self.before["runtime"], ""
        self.noticed("runtime of the host changed", running=True)
        self.before["runtime"] = before

    def test_process(self):
        self.running()
        self.noticed("processes in the cgroups")

    def test_descriptor(self):
        """A directory of the host's that the caller gives on purpose: seen in the container, and only then."""
        self.use_policy("passthrough")
        self.running()
        self.no_descriptor_of_the_host()
        name, bundle = self.bundle()
        subprocess.run(["sh", "-c", 'exec 3<"$0"; exec "$@"', self.outside, *self.command(
            "run", "--detach", "--preserve-fds", "1", "--bundle", bundle, name)], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=True)
        self.noticed(self.outside, self.no_descriptor_of_the_host)
        self.gabion("delete", "--force", name)


if __name__ == "__main__":
    unittest.main()
