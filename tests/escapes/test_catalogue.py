"""The table of escapes says what is true: its tests exist, and the documentation holds the table."""

import importlib
import os
import unittest

from catalogue import ROWS, is_test, table

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/threat-model.md")


def find(name):
    file, owner, method = name.split(".")
    return getattr(getattr(importlib.import_module("test_" + file), owner), "test_" + method)


class Catalogue(unittest.TestCase):
    def test_tests_exist(self):
        for row in ROWS:
            self.assertTrue(row.tests and row.control, row.cves)
            for name in (*row.tests, *[word for word in row.control.split() if is_test(word)]):
                self.assertTrue(callable(find(name)), name)

    def test_results_are_those_of_the_tests(self):
        """A row that says "held" and nothing else has no test that is expected to fail."""
        for row in ROWS:
            failing = [name for name in row.tests if getattr(find(name), "__unittest_expecting_failure__", False)]
            self.assertEqual(bool(failing), row.result != "held", row.cves)

    def test_every_id_is_there_once(self):
        ids = [cve for row in ROWS for cve in row.cves.split(", ")]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(len(ROWS), 25)

    def test_documentation_holds_the_table(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            section = file.read().split("\n## Escapes tried\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("|")]
        self.assertEqual("\n".join(rows) + "\n", table())


if __name__ == "__main__":
    unittest.main()
