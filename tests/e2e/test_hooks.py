"""All six kinds of hooks: where they run, in which order, what they read, and what their failure does."""

import hashlib
import json
import os
import shutil
import tempfile
import unittest

from runtime import Case, only_gabion

ORDER = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


class Hooks(Case):
    policy = "passthrough"

    def setUp(self):
        super().setUp()
        self.trace = self.work + "/trace"
        # Not below /var/tmp, where others could swap a directory: gabion would refuse it.
        safe = tempfile.mkdtemp(prefix="gabion-e2e-hooks.", dir="/run")
        self.addCleanup(shutil.rmtree, safe)
        self.hook = safe + "/hook.sh"
        with open(self.hook, "w", encoding="utf-8") as file:
            # One line of JSON per call: its name, where it runs, and the state it was given.
            file.write('#!/bin/sh\nstate=$(cat)\n'
                       f'printf \'{{"kind": "%s", "pid_ns": "%s", "mnt_ns": "%s", "cwd": "%s", "env": "%s", '
                       f'"state": %s}}\\n\' "$1" "$(readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/mnt)" '
                       f'"$(pwd)" "$HOOK_ENV" "$state" >> {self.trace}\n[ "$2" != fail ] || {{ echo it failed >&2; exit 3; }}\n')
        os.chmod(self.hook, 0o755)

    def write_hook(self, text):
        with open(self.hook, "w", encoding="utf-8") as file:
            file.write(text)

    def hooks(self, fail=None, kinds=ORDER):
        """An edit that adds one traced hook of every kind; the one named `fail` exits 3."""
        def edit(document):
            document["hooks"] = {}
            for kind in kinds:
                word = "fail" if kind == fail else "ok"
                if kind == "startContainer":  # in the container: its own programs
                    entry = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > /tmp/start-state; test {word} = ok"]}
                else:
                    entry = {"path": self.hook, "args": ["hook.sh", kind, word], "env": ["HOOK_ENV=" + kind,
                                                                                        "PATH=/usr/bin:/bin"]}
                document["hooks"][kind] = [entry]
        return edit

    def calls(self):
        if not os.path.exists(self.trace):
            return []
        with open(self.trace, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_order_place_and_state(self):
        name, bundle = self.bundle("sh", "-c", "cat /tmp/start-state; sleep 1000", edit=self.hooks())
        self.gabion("create", "--bundle", bundle, name)
        self.assertEqual([call["kind"] for call in self.calls()], ["prestart", "createRuntime", "createContainer"])
        pid = self.state(name)["pid"]
        self.gabion("start", name)
        self.assertEqual([call["kind"] for call in self.calls()][3:], ["poststart"])
        start = json.loads(self.execute(name, "cat", "/tmp/start-state").out)
        self.assertEqual((start["id"], start["status"]), (name, "created"))
        self.gabion("kill", name, "KILL")
        self.wait_status(name, "stopped")
        self.gabion("delete", name)
        calls = {call["kind"]: call for call in self.calls()}
        self.assertEqual([call["kind"] for call in self.calls()],
                         ["prestart", "createRuntime", "createContainer", "poststart", "poststop"])
        host = os.readlink("/proc/self/ns/mnt")
        for kind, status in (("prestart", "creating"), ("createRuntime", "creating"), ("createContainer", "creating"),
                             ("poststart", "running"), ("poststop", "stopped")):
            call = calls[kind]
            self.assertEqual(call["state"]["id"], name)
            self.assertEqual(call["state"]["status"], status, kind)
            self.assertEqual(call["state"]["bundle"], bundle)
            self.assertEqual(call["env"], kind)
            self.assertEqual(call["mnt_ns"] == host, kind != "createContainer", kind)
            self.assertEqual(call["state"].get("pid"), 0 if kind == "poststop" else pid, kind)

    def test_failure_before_the_start(self):
        for kind in ("prestart", "createRuntime", "createContainer"):
            name, bundle = self.bundle(edit=self.hooks(fail=kind))
            done = self.gabion("create", "--bundle", bundle, name, check=False)
            self.refused(done, f"error running {kind} hook #0", "exit status 3", "it failed")
            self.refused(self.gabion("state", name, check=False), "does not exist")
            self.assert_clean(kind)

    def test_failure_of_start_container(self):
        name, bundle = self.bundle("touch", "/tmp/ran", edit=self.hooks(fail="startContainer"))
        self.gabion("create", "--bundle", bundle, name)
        self.refused(self.gabion("start", name, check=False), "error running startContainer hook #0")
        self.wait_status(name, "stopped")
        self.gabion("delete", name)

    def test_failure_of_poststart(self):
        name, bundle = self.bundle(edit=self.hooks(fail="poststart"))
        self.refused(self.gabion("run", "--detach", "--bundle", bundle, name, check=False), "poststart hook #0")
        self.gabion("delete", "--force", name)
        self.assert_clean()

    def test_failure_of_poststop_deletes_all_the_same(self):
        name = self.created(edit=self.hooks(fail="poststop"))
        self.gabion("delete", "--force", name)
        self.assertEqual(self.calls()[-1]["kind"], "poststop")
        self.assert_clean()

    def test_timeout(self):
        def edit(document):
            document["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}
        name, bundle = self.bundle(edit=edit)
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False, timeout=20), "timeout")
        self.assert_clean()

    def test_missing_hook(self):
        def edit(document):
            document["hooks"] = {"createRuntime": [{"path": self.work + "/absent"}]}
        self.refused(self.inside("true", edit=edit, check=False), "no such file or directory")
        self.assert_clean()

    def test_a_hook_may_ask_for_the_state(self):
        query = " ".join(self.command("state", "c1"))
        self.write_hook(f"#!/bin/sh\n{query} > {self.trace}\n")
        name, bundle = self.bundle(edit=self.hooks(kinds=["createRuntime"]))
        self.gabion("create", "--bundle", bundle, name)
        with open(self.trace, encoding="utf-8") as file:
            state = json.load(file)
        self.assertEqual(state["status"], "creating")
        self.assertEqual(state["pid"], self.state(name)["pid"])

    def test_what_a_hook_mounts_stays_in_the_container(self):
        """As GPU vendors do: createContainer hooks run in the container's mount namespace, before pivot_root."""
        self.write_hook("#!/bin/sh\nmount -t tmpfs hooked /opt\n")
        name, bundle = self.bundle("true", edit=self.hooks(kinds=["createContainer"]))
        self.gabion("run", "--bundle", bundle, name)
        with open("/proc/self/mounts", encoding="utf-8") as file:
            self.assertNotIn("hooked", file.read())


@only_gabion
class Policed(Hooks):
    """Hooks under the default tier: none but those the policy names."""

    policy = None

    def setUp(self):
        super().setUp()
        if "refused" not in self._testMethodName:
            # The hash pins the file: a changed one does not run.
            self.pin()

    def write_hook(self, text):
        super().write_hook(text)
        self.pin()

    def pin(self):
        with open(self.hook, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self.use_policy({"extends": "restricted", "hooks": [
            {"paths": [os.path.realpath(self.hook)], "sha256": digest},
            {"paths": ["/bin/sh"], "kinds": ["startContainer"]},
            {"paths": [os.path.realpath("/bin/sleep")]}]})

    def test_refused_by_default(self):
        name, bundle = self.bundle(edit=self.hooks(kinds=["prestart"]))
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "hook")
        self.assertEqual(self.calls(), [])

    def test_changed_file(self):
        with open(self.hook, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        name, bundle = self.bundle(edit=self.hooks(kinds=["prestart"]))
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "SHA-256")
        self.assertEqual(self.calls(), [])

    def test_missing_hook(self):
        def edit(document):
            document["hooks"] = {"createRuntime": [{"path": self.work + "/absent"}]}
        self.refused(self.inside("true", edit=edit, check=False), "hook")
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
