"""Privileges that a program picks up on its way: capabilities that are inherited, programs that set a user id."""

import os
import shutil
import unittest

from escape import Escape

KINDS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def generous(document):
    given = document["process"]["capabilities"]["bounding"]
    document["process"]["capabilities"] = {kind: list(given) for kind in KINDS}


class Capabilities(Escape):
    def sets(self, text):
        return {line.split()[0]: int(line.split()[1], 16) for line in text.splitlines()
                if line.startswith(("CapInh", "CapAmb"))}

    def test_nothing_is_inheritable(self):
        """CVE-2022-29162, CVE-2022-27650, CVE-2025-27612: run and exec with capabilities: CapInh = CapAmb = 0."""
        none = {"CapInh:": 0, "CapAmb:": 0}
        self.assertEqual(self.sets(self.inside("cat", "/proc/self/status", edit=generous).out), none)
        name = self.running(edit=generous)
        for flags in ((), ("--cap", "CAP_CHOWN"), ("--cap", "CAP_SETUID", "--user", "1000")):
            self.assertEqual(self.sets(self.execute(name, "cat", "/proc/self/status", flags=flags).out), none)

    def test_nothing_is_inheritable_by_accident(self):
        """CVE-2022-29162 itself: what the specification does not ask for is not inheritable, passthrough or not; an
        exec that asks for a capability does not get it as inheritable or ambient."""
        self.use_policy("passthrough")
        self.assertEqual(self.sets(self.inside("cat", "/proc/self/status").out), {"CapInh:": 0, "CapAmb:": 0})
        name = self.running()
        done = self.execute(name, "cat", "/proc/self/status", flags=("--cap", "CAP_CHOWN"))
        self.assertEqual(self.sets(done.out), {"CapInh:": 0, "CapAmb:": 0})

    def test_control_inheritable_sets_are_seen(self):
        """With nothing enforced, those a specification asks for are there."""
        self.use_policy("passthrough")
        sets = self.sets(self.inside("cat", "/proc/self/status", edit=generous).out)
        self.assertGreater(sets["CapInh:"], 0)
        self.assertGreater(sets["CapAmb:"], 0)

    def set_user_id(self):
        """What a program of root's with the set-user-id bit makes of user 1000."""
        name, bundle = self.bundle("/opt/program", "euid", user={"uid": 1000, "gid": 1000})
        program = bundle + "/rootfs/opt/program"
        shutil.copy2(self.attack, program)
        os.chmod(program, 0o4755)
        return self.gabion("run", "--bundle", bundle, name).out

    def test_set_user_id(self):
        """CVE-2022-0847's second half: a changed set-user-id program of a shared layer gains nothing."""
        self.assertEqual(self.set_user_id(), "1000")

    def test_control_set_user_id(self):
        """Without no_new_privs and nosuid the bit works."""
        self.use_policy("passthrough")
        self.assertEqual(self.set_user_id(), "0")


if __name__ == "__main__":
    unittest.main()
