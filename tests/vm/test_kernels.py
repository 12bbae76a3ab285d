"""The kernels of Debian 12 (6.1) and of its newer one (6.12), with cgroup v2 alone, which the host has not."""

import os
import shutil
import subprocess
import tempfile
import unittest

import machine

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GABION = os.environ.get("GABION", SOURCE + "/build/gabion")
# What differs between kernels and between cgroup versions; the rest is judged before the kernel is asked.
CASES = ["test_check.ThisNode", "test_check.FileSystems", "test_filesystem", "test_hardening", "test_lifecycle.Life",
         "test_lifecycle.Limits"]


def payload(directory):
    """The tests, the runtime and the programs they need, as the source tree lays them out."""
    shutil.copytree(SOURCE + "/tests/e2e", directory + "/tests/e2e", ignore=shutil.ignore_patterns("__pycache__"))
    os.makedirs(directory + "/build/tests")
    shutil.copy2(GABION, directory + "/build/gabion")
    for name in os.listdir(os.path.dirname(GABION) + "/tests"):
        if name.startswith("kernel_") and name.endswith("_test"):
            shutil.copy2(f"{os.path.dirname(GABION)}/tests/{name}", directory + "/build/tests")
    subprocess.run(["gcc", "-static", "-O1", "-o", directory + "/probe", SOURCE + "/tests/e2e/probe.c"], check=True)


class Kernels(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="gabion-vm-payload.", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.directory)
        payload(self.directory)

    def inside(self, kernel, command, timeout=1200):
        outcome = machine.run(kernel, self.directory, command, timeout)
        if outcome.code != 0:
            self.fail(f"exit {outcome.code} on Linux {kernel}:\n{outcome.output[-20000:]}")
        return outcome.output

    def end_to_end(self, kernel):
        output = self.inside(kernel, "GABION_TEST_PROBE=$PWD/probe; export GABION_TEST_PROBE; cd tests/e2e && "
                                     "python3 -m unittest -v " + " ".join(CASES))
        self.assertRegex(output, r"Ran \d{2,} tests")

    def test_end_to_end_on_linux_6_1(self):
        self.end_to_end("6.1")

    def test_end_to_end_on_linux_6_12(self):
        self.end_to_end("6.12")

    def test_cgroup_v2_alone(self):
        output = self.inside("6.1", "for program in build/tests/kernel_*; do $program || exit; done")
        self.assertNotIn("FAILED", output)
        # What the host has to skip, for want of controllers in cgroup2.
        self.assertNotRegex(output, r"SKIPPED \] CgroupUnified")
        self.assertRegex(output, r"OK \] CgroupUnified.PidsLimitStopsFork")


if __name__ == "__main__":
    unittest.main()
