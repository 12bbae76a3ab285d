#!/usr/bin/env python3
"""What becomes of the attacks under GABION_TEST_RUNTIME: a line of JSON for each play, {"play", "result", "text"}.

    held      containers ran, and everything the test asserts of them and of the host is so
    refused   the same, but every bundle of the test's was refused: no container ran
    escaped   it is not so: the attack works
    unclear   the test could not come so far, or the runtime did not end

A play is a test of passthrough cases that asserts an outcome and no words of gabion's. Only in the machine of
tests/vm: some of these attacks really change the host.
"""

import importlib
import json
import sys
import time
import unittest

from escape import IN_MACHINE, IS_GABION

PLAYS = (
    "runtime_binary.Descriptors.descriptors_of_who_enters",
    "runtime_binary.RuntimeBinary.entry_point_that_is_the_runtime",
    "rootfs.Links.proc_and_sys_as_links",
    "procfs_and_masks.Masks.label_redirected",
    "rootfs.Links.directories_above_a_target_as_links",
    "capabilities.Capabilities.nothing_is_inheritable_by_accident",
    "runtime_binary.Descriptors.descriptors_of_the_engine",
    "procfs_and_masks.Masks.null_of_the_image",
    "procfs_and_masks.Masks.masks_that_are_links",
    "devices_and_console.Console.console_is_a_link",
    "procfs_and_masks.Masks.sysctl_redirected",
    "rootfs.Links.dev_as_a_link",
    "rootfs.Links.targets_of_files_as_links",
    "ids.Ids.ids_of_exec",
)


class Watch:
    """Counts the containers that ran, behind the case's back."""

    def __init__(self, case):
        self.ran = 0
        self._gabion, self._on_terminal = case.gabion, case.on_terminal
        case.gabion, case.on_terminal = self.gabion, self.on_terminal

    def gabion(self, *words, **options):
        result = self._gabion(*words, **options)
        self.ran += words[0] in ("run", "exec") and result.code == 0
        return result

    def on_terminal(self, *words, **options):
        out, typed = self._on_terminal(*words, **options)
        self.ran += " - proc " in out  # the mount table it was to print
        return out, typed


def play(name):
    file, owner, method = name.split(".")
    case = getattr(importlib.import_module("test_" + file), owner)("test_" + method)
    watch = Watch(case)
    outcome = unittest.TestResult()
    started = time.monotonic()
    case.run(outcome)
    # What a runtime leaves behind, or cannot delete, is untidy and no escape.
    failures = [text for _, text in outcome.failures if ", in leave\n" not in text]
    errors = [text for _, text in outcome.errors] + [text for text in failures if "still running after" in text]
    if errors or outcome.skipped:
        result, text = "unclear", str(errors or outcome.skipped)[-700:]
    elif failures:
        result, text = "escaped", "\n".join(failure[-700:] for failure in failures)
    else:
        result, text = "held" if watch.ran else "refused", ""
    return {"play": name, "result": result, "text": text, "seconds": round(time.monotonic() - started, 1)}


def main(names):
    if not IS_GABION and not IN_MACHINE:
        sys.exit("peers.py: not a machine of tests/vm")
    for name in names or PLAYS:
        print(json.dumps(play(name)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
