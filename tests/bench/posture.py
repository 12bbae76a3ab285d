#!/usr/bin/env python3
"""`gabion probe` in the containers that engines ask for: run by runc as they are, and by gabion.

The specifications are recorded ones (tests/unit/oci/specs), without their engines' hooks, binds and joined
namespaces. Prints the table of docs/probe.md.

  tests/bench/posture.py GABION [--json FILE]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SPECS = os.path.join(os.path.dirname(HERE), "unit/oci/specs")
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "engines"))
import images  # noqa: E402 pylint: disable=wrong-import-position
from run import remove_cgroups  # noqa: E402 pylint: disable=wrong-import-position

# What a column is called, whose specification it is, and whose runtime runs it.
COLUMNS = [("Docker 28 + runc", "config-docker-28.5-default", "runc"),
           ("Podman 5.8 + runc", "config-podman-5.8-default", "runc"),
           ("Kubernetes restricted + runc", "config-cri2.3-container", "runc"),
           ("Docker 28 + gabion", "config-docker-28.5-default", "gabion")]


def make_bundle(directory, name, group, gabion):
    bundle = os.path.join(directory, name)
    rootfs = os.path.join(bundle, "rootfs")
    os.makedirs(rootfs)
    images.busybox_tree(rootfs)
    shutil.copy2(gabion, rootfs + "/bin/gabion")
    with open(f"{SPECS}/{name}.json", encoding="utf-8") as file:
        spec = json.load(file)
    spec.pop("hooks", None)
    spec["root"]["path"] = rootfs
    spec["process"].update(terminal=False, args=["/bin/gabion", "probe", "--format", "json"], oomScoreAdj=0, cwd="/")
    spec["process"].pop("consoleSize", None)
    spec["mounts"] = [mount for mount in spec["mounts"] if mount["type"] != "bind"]
    spec["linux"]["cgroupsPath"] = f"/{group}/{name}"
    spec["linux"].pop("resources", None)
    for namespace in spec["linux"]["namespaces"]:
        namespace.pop("path", None)
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file)
    return bundle


def measure(directory, gabion):
    group = f"gabion-posture-{os.getpid()}"
    reports = []
    bundles = {}
    try:
        for number, (_, name, runtime) in enumerate(COLUMNS):
            if name not in bundles:
                bundles[name] = make_bundle(directory, name, group, gabion)
            own = [gabion, "--audit", directory + "/audit.jsonl"] if runtime == "gabion" else [runtime]
            done = subprocess.run([*own, "--root", f"{directory}/state-{runtime}", "run", "--bundle", bundles[name],
                                   f"{group}-{number}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            reports.append(json.loads(done.stdout))
    finally:
        remove_cgroups(group)
    return reports


def table(reports):
    groups = list(dict.fromkeys(check["group"] for check in reports[0]["checks"]))
    rows = [["open", *(column[0] for column in COLUMNS)], ["---"] * (len(COLUMNS) + 1)]
    for group in groups:
        cells = []
        for report in reports:
            checks = [check for check in report["checks"] if check["group"] == group and check["weight"] > 0]
            cells.append(f"{sum(check['open'] for check in checks)} of {len(checks)}")
        rows.append([group, *cells])
    rows.append(["system calls that reach the kernel", *(
        str(sum(row["answer"] == "reached" for row in report["systemCalls"]["native"])) for report in reports)])
    rows.append(["**score** of 100", *(f"**{report['score']}**" for report in reports)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gabion")
    parser.add_argument("--json", help="write the reports here too")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="gabion-posture-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    try:
        reports = measure(directory, os.path.abspath(arguments.gabion))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(dict(zip((column[0] for column in COLUMNS), reports)), file, indent=1)
    print(table(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
