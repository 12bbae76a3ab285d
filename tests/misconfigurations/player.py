"""Plays a misconfiguration with the real runtime and compares what is seen with what is said.

The decisions are asked of `explain`, must be the same in the audit log, and must be what was done: seen inside.
"""

import copy
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

# pylint: disable=wrong-import-position
from runtime import Case, GROUP, Process, Result, make_root, shared, spec  # noqa: E402
from misconfiguration import Fails, Matches  # noqa: E402

_clean = None


def image():
    """One root file system for all: the specification has it read-only."""
    path = shared() + "/image"
    if not os.path.isdir(path):
        make_root(path)
        for name in ("x", "y", "scratch"):
            os.mkdir(f"{path}/{name}")
    return path


class Player(Case):
    def setUp(self):
        super().setUp()
        self.helpers = []  # processes of the case's own, as other containers'
        self.joined = ""  # a namespace of one
        self.addCleanup(self.end_helpers)  # before Case's own

    def words(self, text):
        for name, value in (("$WORK", self.work), ("$CASE", os.path.basename(self.work)), ("$GROUP", GROUP),
                            ("$JOINED", self.joined)):
            text = text.replace(name, value)
        return text

    # --- a specification that nothing is said about ------------------------------------------------

    def clean(self):
        global _clean
        if _clean is None:
            document = spec("sleep", "1000")
            document["root"] = {"path": image(), "readonly": True}
            document["linux"]["cgroupsPath"] = "/x"
            document["mounts"].append({"destination": "/scratch", "type": "tmpfs", "source": "tmpfs",
                                       "options": ["nosuid", "nodev", "noexec", "size=4m", "mode=1777"]})
            self.write(self.work, document)
            self.use_policy("restricted")
            _clean = self.explained(self.work)["hardened"]
            self.write(self.work, _clean)
            self.assertEqual(self.explained(self.work)["decisions"], [])
        return copy.deepcopy(_clean)

    write = staticmethod(Case.write_config)

    def explained(self, bundle, host=""):
        done = self.on_host(host, "explain", "--format", "json", bundle)
        self.assertTrue(done.out.startswith("{"), str(done))
        return json.loads(done.out)

    def on_host(self, host, *words):
        """A command of the runtime's, in a mount namespace of its own if `host` has commands for it."""
        if not host:
            return self.gabion(*words, check=False)
        command = ["unshare", "-m", "sh", "-ec", self.words(host) + '\nexec "$@"', "sh", *self.command(*words)]
        process = Process(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        return Result(command, process.returncode, out.decode(errors="replace").rstrip("\n"),
                      err.decode(errors="replace").rstrip("\n"))

    def under(self, play, mode):
        rules = {"*": play.others, play.rule: mode} if mode else {"*": play.others}
        self.use_policy({"extends": "restricted", "rules": rules, **play.policy})

    def made(self, document):
        """A bundle of it: the id and the directory."""
        name = self.new_id()
        directory = f"{self.work}/bundle-{name}"
        os.mkdir(directory)
        document["linux"].setdefault("cgroupsPath", f"/{GROUP}/{os.path.basename(self.work)}-{name}")
        self.write(directory, document)
        return name, directory

    # --- what the decisions must say ---------------------------------------------------------------

    def expected(self, play, mode, refused):
        told = []
        for path, before, after in play.findings:
            before, after = self.words(before), self.words(after)
            if refused:
                told.append((play.rule, path, before, "", "refused"))
            elif mode == "warn" and not play.tightens:
                told.append((play.rule, path, before, before, "warned"))
            else:
                told.append((play.rule, path, before, after, "tightened" if after else "dropped"))
        return told

    def compare(self, play, mode, decisions, refused):
        own = [one for one in decisions if one["rule"] == play.rule or (
            play.others != "rewrite" and not (play.others == "refuse" and one["outcome"] == "kept"))]
        self.assertEqual([(one["rule"], one["path"], one["before"], one["after"], one["outcome"]) for one in own],
                         self.expected(play, mode, refused))
        for one in own:
            self.assertTrue(one["reason"])

    def first(self, event):
        """Of the audit log: the one before the effect. A failure that follows has an event of its own."""
        found = [one for one in self.events() if one["event"] == event]
        self.assertTrue(found, f"no {event} in the audit log: {[one['event'] for one in self.events()]}")
        return found[0]

    def told_to_the_caller(self, play, error):
        for path, _, _ in play.findings:
            self.assertIn(f"{play.rule} at {path}: " if path else play.rule + ":", error)

    def sees(self, play, mode, result):
        wanted = play.warn if mode == "warn" else play.rewrite
        if isinstance(wanted, Fails):
            self.refused(result, wanted)
            self.assertNotIn("refused by policy", result.err)
            return
        self.assertEqual(result.code, 0, str(result))
        if isinstance(wanted, Matches):
            self.assertTrue(wanted.judge(self, result.out), f"expected {wanted}, saw {result.out!r}")
        else:
            self.assertEqual(result.out, self.words(wanted), str(result))

    # --- creating ----------------------------------------------------------------------------------

    def play_create(self, play, mode):
        refused = mode == "refuse" or (mode == "rewrite" and not play.rewritable)
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        inside = isinstance(play.look, str)
        document["process"]["args"] = ["sh", "-c", play.look] if inside else ["sleep", "1000"]
        play.before(self)
        play.edit(self, document)
        name, bundle = self.made(document)
        self.under(play, mode)
        if play.unsupported:
            self.refused(self.gabion("explain", bundle, check=False), play.unsupported)
            self.refused(self.gabion("run", "--bundle", bundle, name, check=False), play.unsupported)
            return
        explained = self.explained(bundle, play.host)
        self.assertEqual(explained["refused"], refused, explained["decisions"])
        self.compare(play, mode, explained["decisions"], refused)
        result = self.on_host(play.host, "run", *(() if inside else ("--detach",)), "--bundle", bundle, name)
        event = self.first("policy.deny" if refused else "container.create")
        self.assertEqual(event.get("decisions", []), explained["decisions"])
        if refused:
            self.refused(result, "refused by policy")
            self.told_to_the_caller(play, result.err)
            self.assertEqual((event["outcome"], result.out), ("refuse", ""))
            self.nothing_left()
        elif inside or result.code != 0:
            self.sees(play, mode, result)
            self.nothing_left()
        else:
            self.sees(play, mode, Result([], 0, play.look(self, name), ""))

    def nothing_left(self):
        self.end_helpers()
        self.assert_clean()

    def end_helpers(self):
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        self.helpers = []

    # --- exec and update ---------------------------------------------------------------------------

    def running_for(self, play):
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        play.before(self)
        play.container(self, document)
        name, bundle = self.made(document)
        rules = {"*": "refuse", play.rule: "warn", "devices.cgroup": "rewrite"}  # a granted device adds a rule
        self.use_policy({"extends": "restricted", "rules": rules, **play.policy})
        self.gabion("run", "--detach", "--bundle", bundle, name)
        return name, document

    def judge_later(self, play, mode, event, result):
        refused = mode == "refuse" or (mode == "rewrite" and not play.rewritable)
        event = self.first("policy.deny" if refused else event)
        self.compare(play, mode, event.get("decisions", []), refused)
        if refused:
            self.refused(result, "refused by policy")
            self.told_to_the_caller(play, result.err)
            self.assertEqual(event["outcome"], "refuse")
        return refused

    def play_exec(self, play, mode):
        name, document = self.running_for(play)
        process = copy.deepcopy(document["process"])
        process["args"] = ["sh", "-c", "echo > /scratch/entered; " + play.look]
        play.edit(self, process)
        file = self.work + "/process.json"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(process, stream)
        self.under(play, mode)
        result = self.gabion("exec", "--process", file, name, check=False)
        refused = self.judge_later(play, mode, "exec.start", result)
        if not refused:
            self.sees(play, mode, result)
        entered = f"/proc/{self.state(name)['pid']}/root/scratch/entered"
        self.assertEqual(os.path.exists(entered), result.code == 0, "a refused process must not have run")
        self.assertEqual(self.status(name), "running")

    def play_update(self, play, mode):
        name, _ = self.running_for(play)
        before = play.look(self, name)
        resources = {}
        play.edit(self, resources)
        self.under(play, mode)
        result = self.gabion("update", "--resources", "-", name, check=False, stdin=json.dumps(resources))
        if self.judge_later(play, mode, "container.update", result):
            self.assertEqual(play.look(self, name), before, "a refused update must not change anything")
        elif result.code != 0:
            self.sees(play, mode, result)
        else:
            self.sees(play, mode, Result([], 0, play.look(self, name), ""))

    # --- what plays look at ------------------------------------------------------------------------

    def status_of(self, name):
        return self.text(f"/proc/{self.state(name)['pid']}/status")

    def cgroup(self, name, *files):
        """The first of the files that one of the container's groups has."""
        for file in files:
            for directory in self.cgroups(name):
                if os.path.exists(f"{directory}/{file}"):
                    return self.text(f"{directory}/{file}").strip()
        self.fail(f"no {' '.join(files)} of {name}")

    @staticmethod
    def text(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def own_image(self):
        """A root file system that nobody shares, for what is written to."""
        path = self.work + "/image"
        if not os.path.isdir(path):
            shutil.copytree(image(), path, symlinks=True)
        return path
