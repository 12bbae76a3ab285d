"""gabion's shim under Debian 12's containerd, on cgroup v2 alone, which the host has not."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import machine

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(SOURCE + "/tests/engines")
import images  # noqa: E402  pylint: disable=wrong-import-position

GABION = os.environ.get("GABION", SOURCE + "/build/gabion")
# What differs with the version of cgroups, and a whole life; processors are emulated, so that each takes seconds.
CASES = ["test_shim_metrics.Metrics.test_every_field", "test_shim_metrics.Metrics.test_update",
         "test_shim_metrics.Metrics.test_kill_of_a_paused_container", "test_shim_protocol.Protocol.test_cgroup_of_the_shim",
         *("test_shim.Shim." + name for name in (
             "test_how_processes_ended_is_in_the_audit_log", "test_kill_all", "test_killed_shim", "test_metrics",
             "test_out_of_memory", "test_pause_and_resume", "test_hardened", "test_order_of_events"))]
SCRIPT = """
export GABION_TEST_PROBE=$PWD/probe GABION_TEST_ARCHIVES=$PWD/archives
cd tests/engines && python3 -m unittest -v {cases}
"""


def payload(directory):
    """The tests, the programs and the image, as the source tree lays them out."""
    for name in ("e2e", "engines"):
        shutil.copytree(f"{SOURCE}/tests/{name}", f"{directory}/tests/{name}",
                        ignore=shutil.ignore_patterns("__pycache__"))
    os.makedirs(directory + "/build")
    for name in ("gabion", "containerd-shim-gabion-v2"):
        shutil.copy2(f"{os.path.dirname(GABION)}/{name}", f"{directory}/build/{name}")
    os.makedirs(directory + "/archives")
    shutil.copy2(images.busybox(), directory + "/archives/busybox.tar")
    subprocess.run(["gcc", "-static", "-O1", "-o", directory + "/probe", SOURCE + "/tests/e2e/probe.c"], check=True)


class Shim(unittest.TestCase):
    def test_cgroup_v2_alone(self):
        with tempfile.TemporaryDirectory(prefix="gabion-vm-payload.", dir="/var/tmp") as directory:
            payload(directory)
            outcome = machine.run("6.1", directory, SCRIPT.format(cases=" ".join(CASES)))
        if outcome.code != 0:
            self.fail(f"exit {outcome.code}:\n{outcome.output[-20000:]}")
        self.assertIn(f"Ran {len(CASES)} tests", outcome.output)
        self.assertNotIn("skipped", outcome.output)


if __name__ == "__main__":
    unittest.main()
