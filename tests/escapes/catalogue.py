#!/usr/bin/env python3
"""Escapes known of container runtimes, and the tests that play them. Prints the table of docs/threat-model.md.

A row: the CVE ids, how it works, what stops it here, the tests, their control (what shows that the attack is real),
the result. Where the flaw is in a program that is not here, nothing can be shown to work: an illustration computes
what the flaw would have made of the input, and the row says that it is no control. A test is named file.Class.method without "test_"; where a class has a twin of the name
...UnderRestricted, that one runs, too.

What becomes of the peers is read from peers.json, which tests/vm/test_escapes.py --write measures.
"""

import collections
import json
import os
import re

Row = collections.namedtuple("Row", "cves mechanism defence tests control result", defaults=("held",))

ROWS = (
    Row("CVE-2016-9962", "the process that enters a container is traced, its descriptors are used",
        "not dumpable; made by a go-between outside, without descriptors, root and rights of the host's; who it is says "
        "the go-between alone",
        ("runtime_binary.Descriptors.descriptors_of_who_enters",
         "runtime_binary.DescriptorsUnderRestricted.descriptors_of_who_enters_with_ptrace",
         "runtime_binary.Descriptors.descriptors_of_who_enters_with_ptrace",
         "runtime_binary.Descriptors.who_enters_names_another",
         "runtime_binary.DescriptorsUnderRestricted.who_enters_names_another"),
        "a process with a file open is seen"),
    Row("CVE-2019-5736", "the runtime's file is overwritten through /proc/self/exe",
        "the file cannot be opened for writing: foreign ids, or a sealed copy",
        ("runtime_binary.RuntimeBinary.overwriting_the_runtime",
         "runtime_binary.RuntimeBinary.entry_point_that_is_the_runtime"),
        "runtime_binary.RuntimeBinary.control_an_unprotected_program_is_overwritten"),
    Row("CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867",
        "/proc or /sys of the image is a link, or is mounted over: labels and masks are lost",
        "descriptors only; no mount over or through a link into /proc and /sys; labels by a private procfs",
        ("rootfs.Links.proc_and_sys_as_links", "rootfs.MountsOverProc.mounts_over_proc_and_sys",
         "rootfs.MountsOverProc.links_that_lead_mounts_over_proc",
         "mount_races.Races.image_swaps_proc_sys_and_dev", "procfs_and_masks.Masks.label_redirected",
         "procfs_and_masks.MasksUnderRestricted.masks_are_there_whatever_is_asked"),
        "rootfs.MountsOverProc.control_a_mount_takes_the_masks_away"),
    Row("CVE-2020-15257", "an abstract socket is reached through the host's network",
        "sockets are paths in root's directories; a network of its own",
        ("runtime_binary.Sockets.no_abstract_socket",), "an abstract socket of the test's is seen"),
    Row("CVE-2021-30465, CVE-2024-45310", "a mount's destination is exchanged with a link to the host",
        "destinations are opened once, inside the root; facts and mounts come from one descriptor",
        ("mount_races.Races.peer_swaps_a_mount_point", "mount_races.Races.peer_swaps_the_file_of_a_mount",
         "mount_races.RacesUnderRestricted.source_swapped_between_check_and_mount",
         "rootfs.Links.directories_above_a_target_as_links"),
        "mount_races.Races.control_a_path_by_name_loses_the_race"),
    Row("CVE-2022-29162, CVE-2022-27650, CVE-2025-27612", "capabilities are inheritable",
        "inheritable and ambient sets are empty",
        ("capabilities.Capabilities.nothing_is_inheritable",
         "capabilities.Capabilities.nothing_is_inheritable_by_accident"),
        "capabilities.Capabilities.control_inheritable_sets_are_seen"),
    Row("CVE-2022-0811", "a sysctl's value holds a second setting",
        "names of namespaces only; values without + = and line breaks",
        ("sysctl.Sysctls.values_that_hold_another", "sysctl.Sysctls.names_that_are_the_hosts"),
        "sysctl.Sysctls.control_a_harmless_value_is_set for the way; an illustration, no control, of the payload: "
        "sysctl.Sysctls.control_the_payload_works_on_a_careless_parser"),
    Row("CVE-2023-25809", "cgroupfs is writable inside", "own cgroup namespace, read-only",
        ("cgroups.Cgroups.cgroupfs_is_read_only",), "cgroups.Cgroups.control_writable_cgroupfs"),
    Row("CVE-2024-21626", "the working directory is a leaked descriptor of the host's",
        "close-on-exec from the first moment; the directory must be below the root",
        ("runtime_binary.Descriptors.working_directory_through_a_descriptor",
         "runtime_binary.Descriptors.descriptors_of_the_engine"),
        "runtime_binary.Descriptors.control_a_leaked_descriptor_leads_out"),
    Row("CVE-2025-31133", "/dev/null of the image is a link: masks and standard input are another file",
        "masks are made of the host's /dev/null, verified",
        ("procfs_and_masks.Masks.null_of_the_image", "procfs_and_masks.Masks.masks_that_are_links",
         "mount_races.Races.image_swaps_null"),
        "procfs_and_masks.Masks.control_null_by_name_is_followed"),
    Row("CVE-2025-52565", "/dev/console is exchanged with a link: the pty covers another file",
        "the console comes from the pty's own descriptor; its place is opened without links",
        ("devices_and_console.Console.console_is_a_link", "devices_and_console.Console.console_swapped"),
        "devices_and_console.Console.control_a_console_by_name_is_put_on_the_links_target"),
    Row("CVE-2025-52881", "writes of sysctls and labels are redirected by a mount over /proc",
        "a private procfs for the runtime's own writes",
        ("procfs_and_masks.Masks.sysctl_redirected", "procfs_and_masks.Masks.label_redirected",
         "mount_races.Races.image_swaps_proc_sys_and_dev"),
        "procfs_and_masks.Masks.control_a_write_by_name_is_redirected"),
    Row("CVE-2026-41579, CVE-2026-47766", "/dev of the image is a link: nodes and links are made outside",
        "a fresh /dev; no links below /dev", ("rootfs.Links.dev_as_a_link",), "ln(1) by name is led outside"),
    Row("CVE-2025-24965", "a file of the runtime's is written through a link of the image's",
        "no file of gabion's in the image; targets are opened inside the root",
        ("rootfs.Links.targets_of_files_as_links",), "a shell's redirection is led outside"),
    Row("CVE-2026-30892, CVE-2024-40635", "a user id is read as another, or overflows to root",
        "numbers of 32 bits, or an error",
        ("ids.Ids.ids_of_exec", "ids.Ids.exec_with_user", "ids.Ids.user_of_the_specification"),
        "an illustration, no control: ids.Ids.control_truncation"),
    Row("CVE-2022-0492", "release_agent of a v1 hierarchy is written", "no mount inside; sealed namespaces",
        ("cgroups.Cgroups.release_agent",), "cgroups.Cgroups.control_release_agent"),
    Row("CVE-2022-0185, CVE-2023-0386, CVE-2023-32233, CVE-2024-1086",
        "kernel bugs reached through nested namespaces and netfilter", "no nested namespaces; the filter",
        ("syscalls.Calls.namespaces_and_netfilter", "syscalls.Calls.namespaces_without_the_filter"),
        "the same calls work outside"),
    Row("CVE-2022-0847, CVE-2026-31431, CVE-2026-43284, CVE-2026-43500, CVE-2026-46300",
        "the page cache is written through odd sockets; a set-user-id program is changed",
        "socket families and the native ABI only; no_new_privs, nosuid. The bugs are the kernel's: this contains them",
        ("syscalls.Calls.page_cache_sockets", "syscalls.Calls.i386_socketcall",
         "capabilities.Capabilities.set_user_id"),
        "XFRM and i386 calls work outside; capabilities.Capabilities.control_set_user_id"),
    Row("CVE-2020-14386, CVE-2017-16995, CVE-2021-3490, CVE-2024-0582", "AF_PACKET; bpf(2); io_uring", "the filter",
        ("syscalls.Calls.packet_bpf_and_io_uring",), "the same calls work outside"),
    Row("shocker", "open_by_handle_at(2) with DAC_READ_SEARCH reaches the host's root", "the filter; user namespace",
        ("syscalls.Calls.handles",), "syscalls.Calls.control_handles"),
    Row("CVE-2024-0132, CVE-2025-23359, CVE-2025-23267, CVE-2026-24260",
        "a hook of root's follows links of the image's (a fake of NVIDIA's toolkit)",
        "hooks only as policy names them; root's files",
        ("hooks_and_env.Toolkit.hook_that_follows_links", "hooks_and_env.Toolkit.hook_swapped_for_an_allowed_one"),
        "hooks_and_env.Toolkit.control_the_hook_writes_through_the_link"),
    Row("CVE-2025-23266", "LD_PRELOAD of the image is loaded by a hook of root's",
        "a hook's environment is its own, without LD_*",
        ("hooks_and_env.Preload.environment_of_the_image", "hooks_and_env.Preload.environment_of_the_hook",
         "hooks_and_env.Preload.environment_of_the_image_under_passthrough"),
        "hooks_and_env.Preload.control_the_library_is_loaded"),
    Row("CVE-2026-53488", "a label becomes a log address binary://PROGRAM, run as root",
        "labels are never acted upon; no address is a program but those the node's policy names. The address itself is the shim's to refuse, and gabion's own does",
        ("hooks_and_env.BinaryAddress.binary_address",),
        "an illustration, no control: hooks_and_env.BinaryAddress.control_the_address_names_a_program"),
    Row("CVE-2026-53492", "CDI annotations smuggle devices and hooks (no CDI here: the annotations are)",
        "annotations never relax anything; gabion's own are recorded",
        ("devices_and_console.Smuggled.device_in_an_annotation", "devices_and_console.Smuggled.nodes_in_the_image"),
        "devices_and_console.Smuggled.control_a_device_of_the_specification"),
    Row("TIOCSTI, CVE-2019-7303, CVE-2019-10063",
        "text is typed into the caller's terminal; bits above the 32nd pass a filter",
        "the filter compares 32 bits; a pty of its own",
        ("terminal.Injection.terminal_of_the_caller", "terminal.Injection.terminal_of_the_container"),
        "terminal.Injection.control_the_caller_types_it_itself"),
)


def is_test(text):
    return text.count(".") == 2 and " " not in text


def peers():
    """{"versions": {peer: its Debian version}, "plays": {runtime: {test: result}}}"""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.json"), encoding="utf-8") as file:
        return json.load(file)


def outcome(row, results):
    """Of a peer: the worst of what was played of the row."""
    seen = {results[test] for test in row.tests if test in results}
    if "escaped" in seen:
        return "**escaped**"
    return "held" if seen & {"held", "refused"} else "–"


def table():
    measured = peers()
    names = [(peer, re.match(r"[\d.]+", version)[0]) for peer, version in sorted(measured["versions"].items(), reverse=True)]
    columns = ["CVE", "mechanism", "defence", "test", "result", *[f"{peer} {version}" for peer, version in names]]
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in ROWS:
        cells = [row.cves, row.mechanism, row.defence, ", ".join(f"`{test}`" for test in row.tests), row.result,
                 *[outcome(row, measured["plays"][peer]) for peer, _ in names]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
