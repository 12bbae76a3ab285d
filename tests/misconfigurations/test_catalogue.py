"""No rule without a misconfiguration, no misconfiguration without its golden files, and a table that says so."""

import glob
import json
import os
import re
import unittest

from catalogue import BY_PLACE, SHORT, SOURCE, TIERS, rules, table, tier
from misconfiguration import MODES, ROWS
import test_create
import test_later
from test_denied import DENIED

GOLDEN = SOURCE + "/tests/unit/policy/golden/misconfigurations/"
# What the policy itself brings, which nobody can ask for wrongly: no modes.
OWN = {"exception", "seccomp.pinned"}
PLAYS = [play for plays in BY_PLACE.values() for play in plays]


def golden_decisions(name, mode):
    with open(f"{GOLDEN}{name}.{mode}.txt", encoding="utf-8") as file:
        return re.findall(r"^(kept|tightened|dropped|warned|refused) ([a-z_.]+) ", file.read(), re.MULTILINE)


class Catalogue(unittest.TestCase):
    def test_every_rule_is_broken(self):
        self.assertEqual({play.rule for play in PLAYS} | OWN, set(rules()))

    def test_every_class_has_its_plays(self):
        rows = {play.row for play in PLAYS} | {row.row for row in DENIED} | {"exceptions"}
        self.assertEqual(rows, set(ROWS))

    def test_every_play_runs_in_every_mode(self):
        for place, plays in BY_PLACE.items():
            owner = {"create": test_create.Create, "exec": test_later.Exec, "update": test_later.Update}[place]
            wanted = {f"test_{play.name}_{mode}" for play in plays for mode in MODES}
            self.assertEqual({name for name in dir(owner) if name.startswith("test_")}, wanted)
        names = [play.name for play in PLAYS]
        self.assertEqual(len(names), len(set(names)))

    def test_golden_decisions_are_of_the_same_cases(self):
        found = {os.path.basename(path).rsplit(".", 2)[0] for path in glob.glob(GOLDEN + "*.txt")}
        self.assertEqual(found, {play.name for play in PLAYS})

    def test_golden_decisions_say_the_same(self):
        for play in PLAYS:
            for mode in MODES:
                told = {outcome for outcome, rule in golden_decisions(play.name, mode) if rule == play.rule}
                if mode == "refuse" or (mode == "rewrite" and not play.rewritable):
                    self.assertEqual(told, {"refused"}, f"{play.name}.{mode}")
                elif mode == "rewrite" or play.tightens:
                    self.assertTrue(told and told <= {"tightened", "dropped"}, f"{play.name}.{mode}: {told}")
                else:
                    self.assertEqual(told, {"warned"}, f"{play.name}.{mode}")

    def test_documentation_holds_the_table(self):
        with open(SOURCE + "/docs/misconfigurations.md", encoding="utf-8") as file:
            rows = [line for line in file.read().splitlines() if line.startswith("|")]
        self.assertEqual("\n".join(rows) + "\n", table())

    def test_documentation_of_the_policy_has_the_modes_of_the_tiers(self):
        with open(SOURCE + "/docs/policy.md", encoding="utf-8") as file:
            section = file.read().split("\n| rule | d | r | m |")[1].split("\n\n")[0]
        told = {}
        for line in section.splitlines()[2:]:
            names, *modes = [cell.strip() for cell in line.split("|")[1:5]]
            names = re.findall(r"`([a-z_.]+)`", names)
            for index, name in enumerate(names):
                # "rw, warn" is one for each of two rules.
                told[name] = [(mode.split(", ") * len(names))[index] for mode in modes]
        defaults = [tier(name) for name in TIERS]
        self.assertEqual(told, {rule: ["" if rule in OWN else SHORT[modes[rule]] for modes in defaults]
                                for rule in rules() if rule != "exception"})

    def test_documentation_of_the_policy_has_the_denied_calls(self):
        """Every call that the default profile can deny is told of under its kind, or among those that are not told."""
        with open(SOURCE + "/profiles/seccomp/default.json", encoding="utf-8") as file:
            groups = json.load(file)["groups"]
        with open(SOURCE + "/docs/policy.md", encoding="utf-8") as file:
            section = file.read().split("\n| kind | calls |\n")[1]
        table_, rest = section.split("\n\n", 1)
        told = {line.split("`")[1]: set(re.findall(r"\w+", line.split("|")[2])) for line in table_.splitlines()[1:]}
        self.assertEqual(set(told), {group["watch"] for group in groups if "watch" in group})
        silent = set(re.findall(r"\w+", rest.split("\n\n")[0]))
        for group in groups:
            if group["name"] == "gone from the kernel":
                continue
            if group.get("action") == "deny" or "when" in group or "unless" in group:
                there = told[group["watch"]] if "watch" in group else silent
                self.assertLessEqual(set(group["syscalls"]), there, group["name"])


if __name__ == "__main__":
    unittest.main()
