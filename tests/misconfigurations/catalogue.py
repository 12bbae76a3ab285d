#!/usr/bin/env python3
"""Prints the table of docs/misconfigurations.md, from the plays themselves and the tiers of profiles/."""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TIERS = ("development", "restricted", "maximum")
SHORT = {"rewrite": "rw", "refuse": "no", "warn": "warn"}
sys.path.insert(0, os.path.join(SOURCE, "tests/e2e"))

# pylint: disable=wrong-import-position
import plays_later  # noqa: E402
import plays_mounts  # noqa: E402
import plays_node  # noqa: E402
import plays_process  # noqa: E402
from misconfiguration import Fails, ROWS  # noqa: E402
from test_denied import DENIED  # noqa: E402

BY_PLACE = {
    "create": (*plays_mounts.PLAYS, *plays_process.PLAYS, *plays_node.PLAYS),
    "exec": plays_later.EXEC,
    "update": plays_later.UPDATE,
}


def rules():
    """The names of rule.cc, in its order."""
    with open(SOURCE + "/sandbox/policy/rule.cc", encoding="utf-8") as file:
        return re.findall(r'^ {4}"([a-z_.]+)",$', file.read().split("kNames")[1].split("};")[0], re.MULTILINE)


def tier(name):
    """Modes by rule: what the tier extends, then "*", then what it names."""
    with open(f"{SOURCE}/profiles/{name}.policy.json", encoding="utf-8") as file:
        document = json.loads(re.sub(r"^\s*//.*$", "", file.read(), flags=re.MULTILINE))
    modes = tier(document["extends"]) if "extends" in document else {}
    own = document.get("rules", {})
    if "*" in own:
        modes = {rule: own["*"] for rule in rules()}
    return {**modes, **{rule: mode for rule, mode in own.items() if rule != "*"}}


def rewritten(play):
    if play.unsupported:
        return "refused: not supported"
    if not play.rewritable:
        return "refused, too"
    after = play.findings[0][2]
    return f"`{after.replace('$GROUP', 'engine').replace('$CASE-c1', 'web')}`" if after else "dropped"


def warned(play):
    if play.unsupported:
        return "refused: not supported"
    if play.note:
        return play.note
    if play.tightens:
        return "as under `rewrite`"
    return f"let through; fails: \"{play.warn}\"" if isinstance(play.warn, Fails) else "as asked"


def lines(row, defaults):
    for place, plays in BY_PLACE.items():
        for play in plays:
            if play.row == row:
                modes = ", ".join(SHORT[defaults[name][play.rule]] for name in TIERS)
                yield (row, play.asks, place, f"`{play.rule}`", modes, rewritten(play), warned(play), f"`{play.name}`")
    for one in DENIED:
        if one.row == row:
            yield (row, f"(a process tries) {one.tries}", "create, exec", f"no rule: {one.by}", "denied", "denied",
                   "denied", "`test_denied`")
    if row == "exceptions":
        yield (row, "what an exception grants", "create, exec, update", "`exception`", "none", "kept", "kept",
               "`test_exceptions`")


def table():
    defaults = {name: tier(name) for name in TIERS}
    text = ["| class | asks | where | rule | d, r, m | `rewrite` | `warn` | test |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in ROWS:
        text += ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines(row, defaults)]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    print(table(), end="")
