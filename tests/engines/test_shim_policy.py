"""gabion's shim under policies that a runtime's options name, among them those without user namespaces."""

import json
import os
import unittest

from engine import IS_GABION
from shim_case import PROCESS, RUNNING, ShimCase


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Policy(ShimCase):
    def read_inside(self, pid, name):
        with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
            return file.read()

    def assert_binary_out_of_reach(self, pid):
        """What leads to gabion's program leads to a mount that is nobody's, and read-only (CVE-2019-5736)."""
        link = f"/proc/{pid}/exe"
        self.assertEqual(os.readlink(link), "/")
        self.assertTrue(os.statvfs(link).f_flag & os.ST_RDONLY)

    def test_the_shims_own_program(self):
        self.assert_binary_out_of_reach(self.client.call("Connect", {1: self.id})[1])

    def test_without_a_user_namespace(self):
        options = self.policy_options({"extends": "restricted", "userNamespace": False})
        pid = self.client.call("Create", {1: self.id, 2: self.bundle, 10: options})[1]
        # Until it is started it is gabion's program, inside, with the host's root for a user.
        self.assert_binary_out_of_reach(pid)
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.read_inside(pid, "uid_map").split(), ["0", "0", "4294967295"])
        self.assertEqual(os.stat(f"/proc/{pid}/root/bin/busybox").st_uid, 0)
        status = self.read_inside(pid, "status")
        self.assertIn("NoNewPrivs:\t1", status)
        self.assertIn("Seccomp:\t2", status)
        spec = json.dumps(PROCESS | {"args": ["sh", "-c", "readlink /proc/self/ns/user > /tmp/ns; sleep 1000"]})
        self.client.call("Exec", {1: self.id, 2: "one", 7: {2: spec}})
        other = self.client.call("Start", {1: self.id, 2: "one"})[1]
        self.assertEqual(os.readlink(f"/proc/{other}/ns/user"), os.readlink("/proc/self/ns/user"))
        self.assertEqual(self.status(), RUNNING)
        (created,) = self.events("container.create")
        self.assertEqual(created["outcome"], "allow")

    def test_an_exception_without_a_user_namespace_beside_one_with(self):
        """The policy of a runtime is its containers' own: the next one of the same pod's shim has its user namespace."""
        options = self.policy_options({"extends": "restricted", "userNamespace": False})
        self.client.call("Create", {1: self.id, 2: self.bundle, 10: options})
        bundle = self.make_bundle("two", "sleep", "1000")
        pid = self.create("two", bundle)
        self.assertEqual(self.read_inside(pid, "uid_map").split()[2], "65536")

    def test_who_noted_the_end(self):
        """The audit log names the shim by its program, though that has no path any more."""
        self.create()
        self.client.call("Start", {1: self.id})
        self.client.call("Kill", {1: self.id, 3: 9})
        self.client.call("Wait", {1: self.id})
        self.client.call("Delete", {1: self.id})
        (event,) = self.events("container.exit")
        self.assertEqual(os.path.basename(event["actor"]["exe"]), "containerd-shim-gabion-v2")
        self.assertTrue(event["actor"]["exe"].startswith("/"))


if __name__ == "__main__":
    unittest.main()
