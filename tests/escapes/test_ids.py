"""User ids that mean another one to somebody on the way."""

import ctypes
import json
import unittest

from escape import Escape

WORDS = ("4294967296", "-1", "0x1", "4294967295", " 1", "1 ", "+1", "01x", "1.0", "1e0", "", "18446744073709551617",
         "root\n0", "１")


class Ids(Escape):
    policy = "passthrough"

    def test_ids_of_exec(self):
        """crun CVE-2026-30892: exec --user 1 is 1, not 0."""
        name = self.running()
        for word, wanted in (("1", "1 0"), ("1:1", "1 1"), ("1000:1000", "1000 1000"), ("0", "0 0"),
                             ("65534", "65534 0")):
            done = self.execute(name, "sh", "-c", "echo $(id -u) $(id -g)", flags=("--user", word))
            self.assertEqual(done.out, wanted, word)

    def test_exec_with_user(self):
        """CVE-2026-30892, CVE-2024-40635: what is no number of 32 bits is an error."""
        name = self.running()
        for word in WORDS:
            for user in (word, "1:" + word):
                self.refused(self.execute(name, "id", "-u", flags=("--user", user), check=False))

    def test_user_of_the_specification(self):
        """containerd CVE-2024-40635: ids beyond 32 bits, negative or in pieces: refused, not truncated to root."""
        self.assertEqual(self.inside("id", "-u", user={"uid": 1, "gid": 1}).out, "1")
        for value in (1 << 32, (1 << 32) + 1, -1, 1 << 64, 0.5, "0", [0], True):
            for change in ({"uid": value}, {"gid": value}, {"additionalGids": [value]}):
                user = {"uid": 0, "gid": 0, **change}
                self.refused(self.inside("id", "-u", user=user, check=False))
        for text in ("1e0", "4294967296.0", "1E10", "-0.0", "01"):
            name, bundle = self.bundle("id", "-u", user={"uid": 77777, "gid": 0})
            with open(bundle + "/config.json", encoding="utf-8") as file:
                document = file.read()
            with open(bundle + "/config.json", "w", encoding="utf-8") as file:
                file.write(document.replace("77777", text))
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            if done.code == 0:
                self.assertEqual(done.out, str(int(json.loads(text))), text)

    def test_control_truncation(self):
        """An illustration: what the refused numbers are in 32 bits, root and user 1."""
        self.assertEqual([ctypes.c_uint32(value).value for value in (1 << 32, (1 << 32) + 1)], [0, 1])


class IdsUnderRestricted(Ids):
    """The same as engines run it by default; there, too, ids beyond the container's range are refused."""

    policy = None


if __name__ == "__main__":
    unittest.main()
