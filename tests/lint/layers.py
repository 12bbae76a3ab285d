#!/usr/bin/env python3
"""The layer rule: a directory includes only what is to its left.

    base <- oci, kernel <- policy (oci) <- audit (policy) <- container (all) <- node <- shim/cli
    kernel <- probe <- shim/cli
    base <- shim/containerd/proto, loop <- ttrpc <- shim/containerd; container <- shim/containerd

Also: every header starts with #pragma once and compiles alone, and no file takes in a heavy standard
header that would show at start-up.
"""

import os
import re
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ALLOWED = {
    "sandbox/base": {"base"},
    "sandbox/oci": {"base", "oci"},
    "sandbox/kernel": {"base", "kernel"},
    "sandbox/policy": {"base", "oci", "policy"},
    "sandbox/audit": {"base", "oci", "policy", "audit"},
    "sandbox/container": {"base", "oci", "kernel", "policy", "audit", "container"},
    "sandbox/probe": {"base", "kernel", "probe"},
    "sandbox/node": {"base", "oci", "kernel", "policy", "audit", "container", "node"},
    "shim/containerd/proto": {"base", "shim/containerd/proto"},
    "shim/containerd/loop": {"base", "shim/containerd/loop"},
    "shim/containerd/ttrpc": {"base", "shim/containerd/loop", "shim/containerd/proto", "shim/containerd/ttrpc"},
    "shim/containerd": {"base", "oci", "kernel", "policy", "audit", "container", "shim/containerd"},
    "shim/cli": {"base", "oci", "kernel", "policy", "audit", "container", "node", "probe", "shim/cli"},
}
HEAVY = {"iostream", "sstream", "fstream", "regex", "filesystem", "thread", "mutex", "future", "locale"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def sources():
    for top in ("sandbox", "shim"):
        for directory, _, names in os.walk(os.path.join(SOURCE, top)):
            for name in sorted(names):
                if name.endswith((".h", ".cc")):
                    yield os.path.relpath(os.path.join(directory, name), SOURCE)


def layer_of(path):
    return next((layer for layer in ALLOWED if path.startswith(layer + "/")), None)


def check_includes(path, text):
    layer = layer_of(path)
    if layer is None:
        return [f"{path}: in no known layer"]
    problems = []
    for own, system in INCLUDE.findall(text):
        if own and not any(own.startswith(allowed + "/") for allowed in ALLOWED[layer]):
            problems.append(f'{path}: includes "{own}", which is not to the left of {layer}')
        if system in HEAVY:
            problems.append(f"{path}: includes <{system}>: too heavy for a program that starts with every container")
    if layer == "sandbox/kernel" and re.search(r"\boci::|\bjson::", text):
        problems.append(f"{path}: kernel/ knows nothing of OCI or JSON")
    return problems


def check_headers(headers):
    """All headers in one compiler run each would take minutes: one file that includes each twice would
    hide a missing include, so each is compiled alone, without code generation."""
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        running = []
        for header in headers:
            unit = os.path.join(scratch, header.replace("/", "_") + ".cc")
            with open(unit, "w", encoding="utf-8") as file:
                file.write(f'#include "{os.path.join(SOURCE, header)}"\n')
            running.append((header, subprocess.Popen(
                ["g++", "-std=c++23", "-fsyntax-only", "-D_GNU_SOURCE", f"-I{SOURCE}/sandbox", f"-I{SOURCE}", unit],
                stderr=subprocess.PIPE, text=True)))
            if len(running) >= (os.cpu_count() or 1):
                problems += finish(running.pop(0))
        for job in running:
            problems += finish(job)
    return problems


def finish(job):
    header, process = job
    _, error = process.communicate()
    return [] if process.returncode == 0 else [f"{header}: does not compile alone:\n{error}"]


def main():
    problems, headers = [], []
    for path in sources():
        with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
            text = file.read()
        problems += check_includes(path, text)
        if path.endswith(".h"):
            headers.append(path)
            if "#pragma once" not in text:
                problems.append(f"{path}: no #pragma once")
    problems += check_headers(headers)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
