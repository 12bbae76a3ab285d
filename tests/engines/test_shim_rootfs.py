"""Root file systems that gabion's shim mounts itself: those in a file."""

import glob
import json
import os
import shutil
import signal
import subprocess
import unittest

from engine import GROUP, IS_GABION, eventually, run
from shim_case import SHIM, ShimCase
from ttrpc_client import RpcError


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class File(ShimCase):
    def setUp(self):
        self.file = f"/srv/{self._testMethodName}.img"
        self.addCleanup(self.remove_file)  # after everything else
        super().setUp()
        root = self.bundle + "/rootfs"
        os.chown(root + "/home", 1000, 1000)
        with open(self.file, "wb") as file:
            file.truncate(32 << 20)
        run("mke2fs", "-q", "-t", "ext4", "-d", root, self.file)
        shutil.rmtree(root)
        os.mkdir(root)

    def remove_file(self):
        eventually(lambda: not self.devices(), "no device has the file")
        os.unlink(self.file)

    def devices(self):
        """Loop devices that have the file."""
        found = []
        for path in glob.glob("/sys/block/loop*/loop/backing_file"):
            try:
                with open(path, encoding="utf-8") as file:
                    if os.path.basename(file.read().strip()).startswith(os.path.basename(self.file)):
                        found.append("/dev/" + path.split("/")[3])
            except OSError:  # it was taken off meanwhile
                pass
        return found

    def mount(self, *options, kind="ext4"):
        return {1: kind, 2: self.file, 4: ["loop", *options]}

    def run_with(self, *options):
        pid = self.client.call("Create", {1: self.id, 2: self.bundle, 3: self.mount(*options)})[1]
        self.client.call("Start", {1: self.id})
        return pid

    def test_file(self):
        for options in (("ro",), ("rw",), ("ro", "noload")):
            with self.subTest(options):
                pid = self.run_with(*options)
                self.assertEqual(len(self.devices()), 1)
                with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
                    (root,) = [line.split() for line in file if line.split()[4] == "/"]
                self.assertIn("idmapped", root[5])
                self.assertEqual(root[root.index("-") + 1], "ext4")
                process = json.dumps({"args": ["sh", "-c", "test $(stat -c %u /home) = 1000 && ! touch /bin/x && echo > /tmp/x"],
                                      "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
                self.client.call("Exec", {1: self.id, 2: "one", 7: {2: process}})
                self.client.call("Start", {1: self.id, 2: "one"})
                self.assertNotIn(1, self.client.call("Wait", {1: self.id, 2: "one"}))
                self.client.call("Delete", {1: self.id, 2: "one"})
                self.client.call("Kill", {1: self.id, 3: 9})
                self.client.call("Wait", {1: self.id})
                self.client.call("Delete", {1: self.id})
                eventually(lambda: not self.devices(), "the device is free")

    def test_file_that_is_none(self):
        with open(self.file, "r+b") as file:
            file.write(bytes(1 << 20))
        with self.assertRaises(RpcError) as caught:
            self.run_with("ro")
        self.assertIn("ext4", caught.exception.text)
        self.assertEqual(self.devices(), [])

    def test_worker_is_killed(self):
        """While the file is mounted, and there is no container yet."""
        hook = self.work + "/hook"
        with open(hook, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ntouch $0.runs\nexec sleep 1000\n")
        os.chmod(hook, 0o755)
        os.makedirs("/etc/gabion", exist_ok=True)
        with open("/etc/gabion/policy.json", "w", encoding="utf-8") as file:
            json.dump({"extends": "restricted", "hooks": [{"paths": [hook]}]}, file)
        self.addCleanup(os.unlink, "/etc/gabion/policy.json")
        config = f"{self.bundle}/config.json"
        with open(config, encoding="utf-8") as file:
            document = json.load(file)
        document["hooks"] = {"createRuntime": [{"path": hook}]}
        with open(config, "w", encoding="utf-8") as file:
            json.dump(document, file)
        shim = self.client.call("Connect", {1: self.id})[1]
        creating = self.client.ask("Create", {1: self.id, 2: self.bundle, 3: self.mount("ro")})

        def children():
            with open(f"/proc/{shim}/task/{shim}/children", encoding="ascii") as file:
                return [int(word) for word in file.read().split()]
        eventually(lambda: os.path.exists(hook + ".runs"), "the hook runs")
        self.assertEqual(len(self.devices()), 1)
        (worker,) = children()
        os.kill(worker, signal.SIGKILL)
        with self.assertRaises(RpcError):
            self.client.answer(creating)
        eventually(lambda: not children(), "neither the hook nor the container's process is left")
        eventually(lambda: not self.devices(), "the device is free")
        subprocess.run([SHIM, "-namespace", GROUP, "-address", "/none", "-id", self.id,
                        "-bundle", self.bundle, "delete"], cwd=self.bundle, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=20, check=True)


if __name__ == "__main__":
    unittest.main()
