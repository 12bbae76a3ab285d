"""What an exception grants reaches create, exec and update of the containers it matched, and no others."""

import json
import unittest

from player import Player

GRANT = {"name": "jail", "reason": "the case", "match": {"bundle": "$MATCH"}, "capabilities": ["CAP_SYS_CHROOT"],
         "rules": {"process.no_new_privileges": "warn", "resources.pids": "warn"}}


class Exceptions(Player):
    def under_exception(self, *exceptions):
        self.use_policy({"extends": "restricted", "exceptions": list(exceptions)})

    def running_with(self):
        """A container that asks for what the exception grants: its id."""
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        document["process"]["noNewPrivileges"] = False
        document["process"]["capabilities"] = {kind: ["CAP_KILL", "CAP_SYS_CHROOT"] for kind in
                                               ("bounding", "effective", "permitted")}
        name, bundle = self.made(document)
        grant = {**GRANT, "match": {"bundle": bundle}}
        return name, bundle, grant

    def asks_again(self, name):
        """An exec that asks for the same: NoNewPrivs and whether chroot(2) is its to call."""
        file = self.work + "/process.json"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump({"args": ["sh", "-c", "grep NoNewPrivs /proc/self/status | cut -f2; probe try chroot"],
                       "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "noNewPrivileges": False,
                       "capabilities": {kind: ["CAP_KILL", "CAP_SYS_CHROOT"] for kind in
                                        ("bounding", "effective", "permitted")}}, stream)
        return self.gabion("exec", "--process", file, name).lines

    def kept(self, event):
        last = [one for one in self.events() if one["event"] == event][-1]
        return [(one["before"], one["after"], one["reason"]) for one in last.get("decisions", [])
                if (one["rule"], one["outcome"]) == ("exception", "kept")]

    def pids_after_update(self, name):
        self.gabion("update", "--pids-limit", "100000", name)
        return self.cgroup(name, "pids.max")

    def test_reaches_exec_and_update(self):
        name, bundle, grant = self.running_with()
        self.under_exception(grant)
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.assertIn("NoNewPrivs:\t0", self.status_of(name))
        self.assertEqual(self.asks_again(name), ["0", "chroot ok"])
        self.assertEqual(self.pids_after_update(name), "100000")
        for event in ("container.create", "exec.start", "container.update"):
            self.assertEqual(self.kept(event), [("jail", "jail", "the case")], event)

    def test_of_another_container_reaches_nothing(self):
        name, bundle, grant = self.running_with()
        self.under_exception({**grant, "match": {"bundle": bundle + "-another"}})
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.assertIn("NoNewPrivs:\t1", self.status_of(name))
        self.assertEqual(self.asks_again(name), ["1", "chroot EPERM"])
        self.assertEqual(self.pids_after_update(name), "4096")
        for event in ("container.create", "exec.start", "container.update"):
            self.assertEqual(self.kept(event), [], event)

    def test_taken_out_of_the_policy_reaches_nothing(self):
        name, bundle, grant = self.running_with()
        self.under_exception(grant)
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.under_exception()
        self.assertEqual(self.asks_again(name), ["1", "chroot EPERM"])
        self.assertEqual(self.pids_after_update(name), "4096")

    def test_another_of_its_name_reaches_nothing(self):
        """Of another policy, or changed since: what that one says is not what the container was granted. What a policy
        says beside it may change."""
        name, bundle, grant = self.running_with()
        self.under_exception({**grant, "capabilities": [], "rules": {"resources.memory": "warn"}})
        self.gabion("run", "--detach", "--bundle", bundle, name)
        changed = {**grant, "capabilities": ["CAP_KILL", "CAP_SYS_CHROOT"]}
        self.under_exception(changed)
        self.assertEqual(self.asks_again(name), ["1", "chroot EPERM"])
        self.assertEqual(self.pids_after_update(name), "4096")
        for event in ("exec.start", "container.update"):
            self.assertEqual(self.kept(event), [], event)

    def test_stays_when_the_policy_around_it_changes(self):
        name, bundle, grant = self.running_with()
        self.under_exception(grant)
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.under_exception({**grant, "name": "another", "match": {"bundle": "/none"}}, grant)
        self.assertEqual(self.asks_again(name), ["0", "chroot ok"])
        self.assertEqual(self.pids_after_update(name), "100000")

    def test_does_not_give_an_exec_what_the_container_did_not_ask_for(self):
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        name, bundle = self.made(document)
        self.under_exception({**GRANT, "match": {"bundle": bundle}})
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.assertEqual(self.asks_again(name), ["1", "chroot EPERM"])


if __name__ == "__main__":
    unittest.main()
