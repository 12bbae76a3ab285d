"""Root file systems that gabion's shim mounts itself: overlays, and those in a file."""

import glob
import json
import os
import shutil
import signal
import subprocess
import unittest

from engine import GROUP, IS_GABION, eventually, run
from shim_case import PROCESS, SHIM, ShimCase
from ttrpc_client import RpcError


class RootCase(ShimCase):
    def shell(self, script):
        """Its status, in the container."""
        process = json.dumps(PROCESS | {"args": ["sh", "-c", script]})
        self.client.call("Exec", {1: self.id, 2: "one", 7: {2: process}})
        self.client.call("Start", {1: self.id, 2: "one"})
        status = self.client.call("Wait", {1: self.id, 2: "one"}).get(1, 0)
        self.client.call("Delete", {1: self.id, 2: "one"})
        return status


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Overlay(RootCase):
    """As containerd's snapshotter asks for it: lower layers, an upper one and a work directory."""

    def setUp(self):
        super().setUp()
        layers = self.work + ".layers"
        self.addCleanup(shutil.rmtree, layers)
        self.lower, self.upper, self.scratch = (f"{layers}/{name}" for name in ("lower", "upper", "work"))
        for path in (self.upper, self.scratch):
            os.makedirs(path)
        os.rename(self.bundle + "/rootfs", self.lower)
        os.mkdir(self.bundle + "/rootfs")
        for path, owner in ((self.upper + "/upper", 1000), (self.lower + "/lower", 2000)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(path)
            os.chown(path, owner, owner)

    def create_from_layers(self, options=b"", more=()):
        layers = ["index=off", "workdir=" + self.scratch, "upperdir=" + self.upper, "lowerdir=" + self.lower, *more]
        rootfs = {1: "overlay", 2: "overlay", 4: layers}
        self.client.call("Create", {1: self.id, 2: self.bundle, 3: rootfs, **({10: options} if options else {})})

    def test_layers(self):
        """The container gets the layers, shifted; the overlay itself is mounted by nobody, so that nothing has to be
        written back, and its work directory stays as it was."""
        self.create_from_layers()
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.shell("test $(stat -c %u /upper) = 1000 && test $(stat -c %u /lower) = 2000 && "
                                    "! touch /made && ! touch /upper"), 0)
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertEqual(os.listdir(self.upper), ["upper"])

    def test_missing_mount_points_and_working_directory(self):
        """They are made in the upper layer, as runc would, and are the image's root's."""
        for name in ("sys", "proc"):
            os.rmdir(f"{self.lower}/{name}")
        with self.config() as document:
            document["process"]["cwd"] = "/new/place"
        self.create_from_layers()
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.shell("test -e /proc/self/status && test -e /sys/class && cd /new/place"), 0)
        for name in ("sys", "proc", "new/place"):
            info = os.stat(f"{self.upper}/{name}")
            self.assertEqual((info.st_mode & 0o7777, info.st_uid, info.st_gid), (0o755, 0, 0), name)
        self.assertFalse(os.path.exists(self.lower + "/new"))

    def test_hook_that_adds_to_the_root(self):
        """It finds the root at root.path, for writing."""
        self.add_hook(f"echo word > {self.bundle}/rootfs/of-the-hook\n")
        self.create_from_layers()
        self.client.call("Start", {1: self.id})
        self.assertEqual(os.listdir(self.bundle + "/rootfs"), [])  # the host does not see it
        with open(self.upper + "/of-the-hook", encoding="ascii") as file:
            self.assertEqual(file.read(), "word\n")

    def test_options_that_are_no_layers(self):
        """The kernel's to refuse, as they were before a view was enough; those it takes make no difference."""
        with self.assertRaises(RpcError) as caught:
            self.create_from_layers(more=["nonsense=1"])
        self.assertIn("mount overlay", caught.exception.text)
        self.create_from_layers(more=["redirect_dir=nofollow"])
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.shell("test -e /lower && test -e /upper"), 0)

    def test_root_path_that_leads_elsewhere(self):
        """What was judged is what the container gets, not the layers that were mounted somewhere else."""
        other = self.work + "/other"
        shutil.copytree(self.lower, other, symlinks=True)
        with self.config() as document:
            document["root"]["path"] = other
        self.create_from_layers()
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.shell("test -e /lower && ! test -e /upper"), 0)

    def test_writable_root(self):
        """Writable, under policies with and without user namespaces: what is written is in the upper layer, unshifted."""
        writable = {"extends": "restricted", "rules": {"rootfs.readonly": "warn"}}
        for number, policy in enumerate(({"extends": "passthrough"}, writable, writable | {"userNamespace": False})):
            with self.subTest(policy):
                with self.config() as document:
                    document["root"]["readonly"] = False
                self.create_from_layers(self.policy_options(policy))
                self.client.call("Start", {1: self.id})
                self.assertEqual(self.shell(f"echo word > /made{number}"), 0)
                self.assertEqual(os.stat(f"{self.upper}/made{number}").st_uid, 0)
                for method, request in (("Kill", {3: 9, 4: True}), ("Wait", {}), ("Delete", {})):
                    self.client.call(method, {1: self.id, **request})


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class File(RootCase):
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
                self.assertEqual(self.shell("test $(stat -c %u /home) = 1000 && ! touch /bin/x && echo > /tmp/x"), 0)
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
        hook = self.add_hook("touch $0.runs\nexec sleep 1000\n")
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
