#!/usr/bin/env python3
"""gabion's own shim under Debian's containerd, beside containerd's with runc and with crun.

All three run under one containerd, in a private node with its /run on a tmpfs, as a booted machine has it. cgroup2 is
hidden there, because Debian 12's crun refuses a machine that has v1 hierarchies besides.

  tests/bench/shim.py GABION [--rounds N]
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = "docker.io/library/busybox:test"
PEERS = {"gabion": ["--runtime", "io.containerd.gabion.v2"], "runc": ["--runc-binary", "/usr/sbin/runc"],
         "crun": ["--runc-binary", "/usr/bin/crun"]}


def memory(program):
    """(PSS, private and written) of every process of this program, in KiB."""
    found = []
    for path in glob.glob("/proc/[0-9]*/smaps_rollup"):
        try:
            with open(os.path.dirname(path) + "/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if os.path.basename(words[0]).decode() != program or engine.GROUP.encode() not in words:
                continue
            with open(path, encoding="ascii") as file:
                fields = {line.split()[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
        except OSError:
            continue
        found.append((fields["Pss:"], fields["Private_Dirty:"]))
    return found


def runs(directory, rounds):
    commands = [["/usr/bin/ctr", "--namespace", engine.GROUP, "run", "--rm", *how, IMAGE, name + "-{}", "true"]
                for name, how in PEERS.items()]
    figures.show("`ctr run --rm` of `true`", dict(zip(PEERS, figures.paired(directory, rounds, 3, commands))))


def executions(directory, rounds):
    for name, how in PEERS.items():
        engine.ctr("run", "-d", *how, IMAGE, name, "sleep", "1000")
    commands = [["/usr/bin/ctr", "--namespace", engine.GROUP, "task", "exec", "--exec-id", "n{}", name, "true"]
                for name in PEERS]
    figures.show("`ctr task exec` of `true`", dict(zip(PEERS, figures.paired(directory, rounds, 3, commands))))
    for name in PEERS:
        remove(name)


def remove(name):
    engine.ctr("task", "rm", "-f", name)
    engine.ctr("container", "rm", name)


def pods():
    print("ten idle pods, KiB for each: PSS, and of it private and written to")
    shims = {"gabion": "containerd-shim-gabion-v2", "runc": "containerd-shim-runc-v2"}
    each = {}
    for name, program in shims.items():
        names = [f"{name}-pod-{number}" for number in range(10)]
        for one in names:
            engine.ctr("run", "-d", *PEERS[name], IMAGE, one, "sleep", "1000")
        time.sleep(1)
        found = memory(program)
        # A pod may have several processes of the program.
        each[name] = [sum(column) / len(names) for column in zip(*found)]
        print(f"  {name:8} {each[name][0]:7.0f} {each[name][1]:7.0f}   in {len(found)} processes")
        for one in names:
            remove(one)
    print(f"  gabion / runc: {each['gabion'][0] / each['runc'][0]:.3f} of PSS")


def at_once(count):
    """Wall time until the last of so many has ended, all asked for at the same moment."""
    print(f"{count} `ctr run --rm` of `true` at once, seconds until the last has ended")
    took = {}
    for name, how in PEERS.items():
        began = time.monotonic()
        processes = [subprocess.Popen(["/usr/bin/ctr", "--namespace", engine.GROUP, "run", "--rm", *how, IMAGE,
                                       f"{name}-{count}-{number}", "true"], stdin=subprocess.DEVNULL)
                     for number in range(count)]
        failed = sum(process.wait() != 0 for process in processes)
        took[name] = time.monotonic() - began
        print(f"  {name:8} {took[name]:7.2f}   {failed} failed")
    for name in list(PEERS)[1:]:
        print(f"  gabion / {name}: {took['gabion'] / took[name]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gabion")
    parser.add_argument("--rounds", type=int, default=101)
    arguments = parser.parse_args()
    os.environ["GABION_TEST_RUNTIME"] = os.path.abspath(arguments.gabion)
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), "engines"))
    global engine, figures  # it reads its environment when it is imported
    import engine  # pylint: disable=import-outside-toplevel
    import figures  # pylint: disable=import-outside-toplevel
    node = engine.enter_node(whole=False)
    subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=False, stderr=subprocess.DEVNULL)
    node.start_containerd()
    engine.ctr("image", "import", node.archives["busybox"])
    with tempfile.TemporaryDirectory(prefix="gabion-bench-", dir="/var/tmp") as directory:
        runs(directory, arguments.rounds)
        executions(directory, arguments.rounds)
        pods()
        for count in (10, 100):
            at_once(count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
