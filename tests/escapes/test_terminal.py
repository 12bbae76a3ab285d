"""Terminals: what a program in a container types into the terminal of whoever started it."""

import os
import unittest

from escape import Escape, everything, text_of

TEXT = "typed"


class Injection(Escape):
    """TIOCSTI, CVE-2019-7303, CVE-2019-10063."""

    def test_terminal_of_the_caller(self):
        """The caller's terminal is the container's standard input: nothing is typed into it, with the 32-bit number
        of TIOCSTI or with higher bits set, in a run and in an exec."""
        container = self.running(edit=everything)
        name, bundle = self.bundle("attack", "inject", TEXT, edit=everything)
        for words in (("run", "--bundle", bundle, name), ("exec", container, "attack", "inject", TEXT)):
            out, typed = self.on_terminal(*self.command(*words))
            self.assertEqual(out.split()[::2], ["plain", "high"], out)
            self.assertNotIn("ok", out.split())
            self.assertEqual(typed, "")

    def test_terminal_of_the_container(self):
        """The container's own pty: denied as well, and nothing comes out at the caller's."""
        container = self.running(edit=everything)
        name, bundle = self.bundle("attack", "inject", TEXT, edit=everything, terminal=True)
        for words in (("run", "--bundle", bundle, name), ("exec", "--tty", container, "attack", "inject", TEXT)):
            out, typed = self.on_terminal(*self.command(*words))
            self.assertEqual(out.split()[::2], ["plain", "high"], out)
            self.assertNotIn("ok", out.split())
            self.assertEqual(typed, "")

    def test_control_the_caller_types_it_itself(self):
        """Outside, both numbers type into one's own terminal."""
        if text_of("/proc/sys/dev/tty/legacy_tiocsti").strip() == "0" and os.geteuid() != 0:
            self.skipTest("the kernel refuses TIOCSTI to all")
        out, typed = self.on_terminal(self.attack, "inject", TEXT)
        self.assertEqual(out.split(), ["plain", "ok", "high", "ok"])
        self.assertEqual(typed, TEXT * 2)

    def test_control_the_filter_is_what_denies_it(self):
        """With nothing enforced it works on the container's own pty."""
        self.use_policy("passthrough")
        name, bundle = self.bundle("attack", "inject", TEXT, edit=everything, terminal=True)
        out, typed = self.on_terminal(*self.command("run", "--bundle", bundle, name))
        self.assertIn("plain ok", out)
        self.assertEqual(typed, "")  # it stays inside: the pty is the container's


if __name__ == "__main__":
    unittest.main()
