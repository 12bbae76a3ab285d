#!/usr/bin/env python3
"""gabion (the default policy), runc and crun: `run` of `true` on one root filesystem, side by side.

The specification is the one Docker 20.10 sends for `docker run busybox true`, without its network
hook and terminal. Runs are interleaved, one of each per round, and timed by a small C++ program. The
runtimes keep their state on a tmpfs, as below /run on a booted machine.

  tests/bench/run.py GABION [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SPEC = os.path.join(SOURCE, "tests/unit/oci/specs/config-docker-20.10-default.json")
sys.path.insert(0, os.path.join(SOURCE, "tests/engines"))
import figures
import images  # noqa: E402 pylint: disable=wrong-import-position


def make_bundle(directory, group):
    """A bundle of Docker's default specification on busybox; Docker's own bind mounts get files of ours."""
    bundle = os.path.join(directory, "bundle")
    rootfs = os.path.join(bundle, "rootfs")
    os.makedirs(rootfs)
    images.busybox_tree(rootfs)
    with open(SPEC, encoding="utf-8") as file:
        spec = json.load(file)
    spec.pop("hooks", None)
    spec["root"]["path"] = rootfs
    spec["process"]["terminal"] = False
    spec["process"].pop("consoleSize", None)
    spec["process"]["args"] = ["/bin/true"]
    spec["process"]["oomScoreAdj"] = 0
    spec["linux"]["cgroupsPath"] = f"/{group}/bench"
    for mount in spec["mounts"]:
        if mount["type"] == "bind":
            mount["source"] = os.path.join(directory, os.path.basename(mount["destination"]))
            with open(mount["source"], "w", encoding="utf-8") as file:
                file.write("127.0.0.1 localhost\n")
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file)
    return bundle


def without_hybrid(directory):
    """A process in a mount namespace where /sys/fs/cgroup has the v1 hierarchies alone, for crun 1.8,
    which refuses a hybrid machine; None where there is nothing to hide. Kill it at the end."""
    if not os.path.ismount("/sys/fs/cgroup/unified"):
        return None
    script = """
        mount --make-rprivate /; mount -t tmpfs tmpfs "$1"
        for hierarchy in /sys/fs/cgroup/*; do
          mountpoint -q "$hierarchy" && [ "${hierarchy##*/}" != unified ] || continue
          mkdir "$1/${hierarchy##*/}"; mount --bind "$hierarchy" "$1/${hierarchy##*/}"
        done
        mount --move "$1" /sys/fs/cgroup; echo ready; exec sleep infinity"""
    place = os.path.join(directory, "cgroup")
    os.mkdir(place)
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-ec", script, "hide", place], stdout=subprocess.PIPE,
                              text=True)
    if holder.stdout.readline() != "ready\n":
        sys.exit("bench: cannot hide cgroup2 from crun")
    return holder


def remove_cgroups(group):
    for controller in os.listdir("/sys/fs/cgroup"):
        top = os.path.join("/sys/fs/cgroup", controller, group)
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except OSError as error:
                print(f"bench: left behind: {path}: {error.strerror}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gabion")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--json", help="write the figures here too")
    arguments = parser.parse_args()

    runtimes = {"gabion": os.path.abspath(arguments.gabion)}
    for name in ("runc", "crun"):
        if shutil.which(name):
            runtimes[name] = shutil.which(name)
    group = f"gabion-bench-{os.getpid()}"
    directory = tempfile.mkdtemp(prefix="gabion-bench-", dir="/var/tmp")
    holder = None
    state = os.path.join(directory, "state")
    os.mkdir(state)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", state], check=True)
        holder = without_hybrid(directory)
        bundle = make_bundle(directory, group)
        commands = []
        for name, path in runtimes.items():
            own = ["--audit", os.path.join(directory, "audit/audit.jsonl")] if name == "gabion" else []
            entering = [f"@/proc/{holder.pid}/ns/mnt"] if holder and name == "crun" else []
            commands.append([*entering, path, "--root", os.path.join(state, name), *own, "run", "--bundle", bundle,
                        f"{group}-{name}-{{}}"])
        series = figures.paired(directory, arguments.rounds, arguments.warmup, commands)
    finally:
        if holder:
            holder.kill()
            holder.wait()
        remove_cgroups(group)
        subprocess.run(["umount", state], check=False)
        shutil.rmtree(directory, ignore_errors=True)

    figures.show("`run` of `true`, Docker's default specification", dict(zip(runtimes, series)))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({name: figures.summary(times) for name, times in zip(runtimes, series)}, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
