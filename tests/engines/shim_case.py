"""gabion's shim without containerd: a pod's shim for each test, and a client of our own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import unittest

from engine import GROUP, RUNTIME, cgroups, enter_node, eventually
from protobuf import message
from ttrpc_client import Client, RpcError

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import runtime  # noqa: E402  pylint: disable=wrong-import-position

SHIM = os.path.join(os.path.dirname(RUNTIME), "containerd-shim-gabion-v2")
LOG = "/var/log/gabion/audit.jsonl"
STATE = f"/run/gabion/containerd/{GROUP}"
NOT_FOUND, EXISTS, PRECONDITION, UNIMPLEMENTED, INVALID = 5, 6, 9, 12, 3
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4
PROCESS = {"cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}


class ShimCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = enter_node()

    def setUp(self):
        self.id = self._testMethodName.replace("_", "-")
        self.work = "/srv/" + self.id
        os.mkdir(self.work)
        self.addCleanup(shutil.rmtree, self.work)
        self.clients = []
        self.bundle = self.make_bundle(self.id, "sleep", "1000")
        self.path = self.start(self.id, self.bundle)
        self.addCleanup(self.end)
        self.client = self.connect()

    def make_bundle(self, name, *args, **process):
        bundle = f"{self.work}/{name}"
        runtime.make_root(bundle + "/rootfs")
        document = runtime.spec(*args)
        document["process"].update(process)
        document["linux"]["cgroupsPath"] = f"/{GROUP}/{name}"
        with open(bundle + "/config.json", "w", encoding="utf-8") as file:
            json.dump(document, file)
        return bundle

    @contextlib.contextmanager
    def config(self, bundle=None):
        """To be changed."""
        path = (bundle or self.bundle) + "/config.json"
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        yield document
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)

    def add_hook(self, script):
        """A createRuntime hook, which the policy allows: its path."""
        hook = self.work + "/hook"
        with open(hook, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(hook, 0o755)
        os.makedirs("/etc/gabion", exist_ok=True)
        with open("/etc/gabion/policy.json", "w", encoding="utf-8") as file:
            json.dump({"extends": "restricted", "hooks": [{"paths": [hook]}]}, file)
        self.addCleanup(os.unlink, "/etc/gabion/policy.json")
        with self.config() as document:
            document["hooks"] = {"createRuntime": [{"path": hook}]}
        return hook

    def start(self, name, bundle):
        """As containerd does: the path of the socket."""
        done = subprocess.run([SHIM, "-namespace", GROUP, "-address", "/none", "-id", name, "start"], cwd=bundle,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(done.stderr, "")
        self.assertTrue(done.stdout.startswith("unix:///"), done.stdout)
        with open(bundle + "/address", encoding="ascii") as file:
            self.assertEqual(file.read(), done.stdout)
        return done.stdout[len("unix://"):]

    def policy_options(self, policy):
        """Options of Create, as Docker and the CRI plug-in send them, that name that policy."""
        os.makedirs("/etc/gabion", exist_ok=True)
        path = f"/etc/gabion/{self.id}.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        return message({1: "runtimeoptions.v1.Options", 2: message({2: path})})

    def connect(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def end(self):
        """Everything is deleted and the shim goes, or it is no shim."""
        client = self.connect()
        for name in os.listdir(self.work):
            for method, request in (("Kill", {1: name, 3: 9, 4: True}), ("Wait", {1: name}), ("Delete", {1: name})):
                try:
                    client.call(method, request)
                except RpcError as error:
                    if error.code == NOT_FOUND and method == "Kill" and "container" in error.text:
                        break
        client.call("Shutdown", {1: self.id})
        for one in self.clients:
            one.close()
        eventually(lambda: not os.path.exists(self.path), "the socket is gone")
        self.assertEqual([path for path in cgroups() if os.path.basename(path) != GROUP], [])

    def fails(self, code, method, request, client=None, **options):
        with self.assertRaises(RpcError) as caught:
            (client or self.client).call(method, request, **options)
        self.assertEqual(caught.exception.code, code, caught.exception.text)
        return caught.exception.text

    def create(self, name=None, bundle=None):
        return self.client.call("Create", {1: name or self.id, 2: bundle or self.bundle})[1]

    def events(self, *kinds):
        """Of the container, in the audit log."""
        with open(LOG, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [line for line in lines if line.get("container") == self.id and (not kinds or line["event"] in kinds)]

    def status(self, exec_id=""):
        return self.client.call("State", {1: self.id, 2: exec_id})[4]
