"""The attacks of tests/escapes against Debian's runc and crun, which must not be tried where they could succeed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import machine

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GABION = os.environ.get("GABION", SOURCE + "/build/gabion")
KERNEL = "6.1"
RUNTIMES = {"gabion": "$PWD/build/gabion", "runc": "/usr/sbin/runc", "crun": "/usr/bin/crun"}
MEASURED = SOURCE + "/tests/escapes/peers.json"


def payload(directory):
    """The tests, the runtime and the programs they need, as the source tree lays them out."""
    for name in ("e2e", "escapes"):
        shutil.copytree(f"{SOURCE}/tests/{name}", f"{directory}/tests/{name}",
                        ignore=shutil.ignore_patterns("__pycache__"))
    os.makedirs(directory + "/build")
    shutil.copy2(GABION, directory + "/build/gabion")
    for name, source in (("probe", "e2e/probe.c"), ("attacker", "escapes/attacker.c")):
        subprocess.run(["gcc", "-static", "-O1", "-I", SOURCE + "/tests", "-o", f"{directory}/{name}",
                        f"{SOURCE}/tests/{source}"], check=True)


def measure(plays=()):
    """{"versions": {peer: its Debian version}, "plays": {runtime: {play: result}}}, and the lines in full.

    Of all plays (some seven minutes), or of those."""
    words = ["export GABION_TEST_PROBE=$PWD/probe GABION_TEST_ATTACKER=$PWD/attacker",
             "dpkg-query -W -f '@version ${Package} ${Version}\\n' runc crun"]
    for name, path in RUNTIMES.items():
        words += [f"echo '@runtime {name}'",
                  f"(export GABION_TEST_RUNTIME={path}; cd tests/escapes && python3 peers.py "
                  f"{' '.join(plays)}) || exit"]
    with tempfile.TemporaryDirectory(prefix="gabion-vm-payload.", dir="/var/tmp") as directory:
        payload(directory)
        outcome = machine.run(KERNEL, directory, "\n".join(words), timeout=2400)
    if outcome.code != 0:
        raise AssertionError(f"exit {outcome.code}:\n{outcome.output[-20000:]}")
    found, lines = {"versions": {}, "plays": {}}, {}
    runtime = None
    for line in outcome.output.splitlines():
        if line.startswith("@version "):
            _, name, version = line.split()
            found["versions"][name] = version
        elif line.startswith("@runtime "):
            runtime = line.split()[1]
            found["plays"][runtime], lines[runtime] = {}, []
        elif line.startswith("{"):
            result = json.loads(line)
            found["plays"][runtime][result["play"]] = result["result"]
            lines[runtime].append(result)
    return found, lines


class Escapes(unittest.TestCase):
    maxDiff = None

    def test_peers(self):
        """Attacks that succeed against Debian's peers, and not against gabion: each is seen to be real. What is stored
        of the others was measured with --write; of these it is measured anew."""
        with open(MEASURED, encoding="utf-8") as file:
            stored = json.load(file)
        found, lines = measure(REAL)
        for play in REAL:
            self.assertIn(found["plays"]["gabion"][play], ("held", "refused"), lines["gabion"])
        if found["versions"] != stored["versions"]:
            self.skipTest(f"gabion holds; Debian has other peers now ({found['versions']}): {HOW}")
        for runtime in RUNTIMES:
            self.assertEqual(found["plays"][runtime], {play: stored["plays"][runtime][play] for play in REAL},
                             f"{HOW}\n{lines[runtime]}")
        for play in REAL:
            self.assertIn("escaped", (found["plays"]["runc"][play], found["plays"]["crun"][play]), play)


HOW = f"measure anew: {os.path.relpath(__file__, SOURCE)} --write"
REAL = ("rootfs.Links.dev_as_a_link", "procfs_and_masks.Masks.null_of_the_image",
        "devices_and_console.Console.console_is_a_link")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        seen, detail = measure()
        for one, results in detail.items():
            for each in results:
                print(one, each["play"], each["result"], each["seconds"], each["text"].replace("\n", "\n    "))
        with open(MEASURED, "w", encoding="utf-8") as out:
            json.dump(seen, out, indent=1, sort_keys=True)
            out.write("\n")
    else:
        unittest.main()
