"""What a misconfiguration is, for the tests that play it and for the table of docs/misconfigurations.md.

A play breaks one rule in a specification that is otherwise clean, under a policy that refuses everything else: so
every decision there is, is the play's. The cases are in plays_*.py; golden decisions of the same names are in
tests/unit/policy/golden/misconfigurations.
"""

import dataclasses
import os
import typing

MODES = ("rewrite", "refuse", "warn")
IF_THE_KERNEL_LETS = "as asked, if the kernel lets the runtime"

# Classes of misconfigurations, in the order of the table.
ROWS = (
    "control sockets of engines",
    "host paths",
    "host namespaces",
    "privileged, all capabilities",
    "dangerous capabilities",
    "devices",
    "sysctls",
    "views of the kernel unmasked",
    "hooks and LD_*",
    "bpf, perf, keys, modules, mounts",
    "io_uring",
    "socket families",
    "i386 and x32",
    "nested user namespaces",
    "namespaces shared between containers",
    "set-user-id, no no_new_privs",
    "writable and executable",
    "mounts",
    "the process",
    "limits",
    "weakened filters",
    "annotations",
    "exec where there should be none",
    "exceptions",
)


class Fails(str):
    """The mode lets it through, and the sandbox or the kernel cannot do it: the error has these words."""


class Matches:
    """What is seen is judged by a function of the test and the text."""

    def __init__(self, judge, words):
        self.judge, self.words = judge, words

    def __str__(self):
        return self.words


def of_the_host(kind):
    return Matches(lambda test, text: text == os.readlink(f"/proc/self/ns/{kind}"), f"the host's {kind} namespace")


def not_of_the_host(kind):
    return Matches(lambda test, text: text.startswith(kind) and text != os.readlink(f"/proc/self/ns/{kind}"),
                   f"a {kind} namespace that is not the host's")


@dataclasses.dataclass(frozen=True)
class Play:
    name: str
    row: str
    rule: str
    asks: str  # for the table
    edit: typing.Callable = lambda test, asked: None  # of the specification, the process, or the resources
    # What the decisions say: (path, before, after a rewrite), in order. "$WORK" is the directory of the case.
    findings: tuple = ()
    look: typing.Any = "true"  # a shell script inside, or a function of the test and the id
    rewrite: typing.Any = ""  # what is seen then: text, Matches or Fails
    warn: typing.Any = ""
    where: str = "create"
    policy: dict = dataclasses.field(default_factory=dict)
    others: str = "refuse"  # mode of every other rule
    before: typing.Callable = lambda test: None  # what the case needs of the host
    container: typing.Callable = lambda test, document: None  # exec, update: of the container that runs already
    host: str = ""  # shell commands in a mount namespace that ends with the case
    rewritable: bool = True  # False: `rewrite` refuses, too
    note: str = ""  # for the table, instead of what `warn` says of this machine
    unsupported: str = ""  # the field gabion refuses by name, whatever the mode
    tightens: bool = False  # `warn` gives no more than the container has: see docs/policy.md


@dataclasses.dataclass(frozen=True)
class Denied:
    """What no specification asks for: a process tries it. There is no mode that lets it through."""
    row: str
    tries: str  # for the table
    attempts: tuple  # of tests/e2e/probe.c
    control: tuple  # of those, what is done where nothing forbids it
    by: str  # keys of the policy that say no


def without(sequence, **fields):
    return [entry for entry in sequence if any(entry.get(key) != value for key, value in fields.items())]


def without_namespace(kind):
    def edit(_, document):
        document["linux"]["namespaces"] = without(document["linux"]["namespaces"], type=kind)
    return edit


def bind(source, destination="/x", *options):
    return {"destination": destination, "type": "bind", "source": source,
            "options": ["bind", "ro", "nosuid", "nodev", "noexec", *options]}


def mounts(*entries):
    """An edit that adds mounts, "$WORK" in them being the directory of the case."""
    def edit(test, document):
        for entry in entries:
            document["mounts"].append({**entry, "source": test.words(entry["source"])})
    return edit


def plain(kind, destination="/x", *options):
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}
