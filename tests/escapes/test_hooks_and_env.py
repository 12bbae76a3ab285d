"""Programs of the host that an image tries to steer: hooks, their environment, and names that look like programs."""

import os
import shutil
import subprocess
import tempfile
import unittest

from escape import Escape

EVIL = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) { close(open("%s", O_CREAT | O_WRONLY, 0644)); }
"""


class HookCase(Escape):
    def setUp(self):
        super().setUp()
        # Where nobody but root writes: policy demands that of a hook.
        self.safe = tempfile.mkdtemp(prefix="gabion-escape-hooks.", dir="/run")
        self.addCleanup(shutil.rmtree, self.safe)
        self.place = self.directory("stand-in")  # for what a control or a trusted hook writes

    def hook(self, text):
        path = self.safe + "/hook"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def allow(self):
        self.use_policy({"extends": "restricted", "hooks": [{"paths": [os.path.realpath(self.safe + "/hook")]}]})


class Toolkit(HookCase):
    """A fake of the vendor's hook: it copies a library into the image by name and follows what is there."""

    def toolkit(self, target):
        path = self.hook('root=$(sed -n \'s/.*"bundle": *"\\([^"]*\\)".*/\\1/p\')/rootfs\n'
                         'echo library >"$root/usr/lib/libcuda.so.1"\n')

        def edit(document):
            document["hooks"] = {kind: [{"path": path, "args": ["hook", kind]}] for kind in (
                "prestart", "createRuntime", "createContainer", "poststop")}
        name, bundle = self.bundle("true", edit=edit)
        os.makedirs(bundle + "/rootfs/usr")
        os.symlink(target, bundle + "/rootfs/usr/lib")
        return name, bundle

    def test_hook_that_follows_links(self):
        """NVIDIA CVE-2024-0132, CVE-2025-23359, CVE-2025-23267, CVE-2026-24260: no hook runs that the policy does not
        name, and so nothing is written outside. (A hook it names is trusted with what it follows.)"""
        for policy in ("restricted", "development", "maximum"):
            self.use_policy(policy)
            name, bundle = self.toolkit(self.outside)
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            if policy != "maximum":  # there it is dropped
                self.refused(done, "hooks.allowed")
            self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_hook_swapped_for_an_allowed_one(self):
        """The path that policy allows, with another file in it that is not root's alone: refused."""
        self.toolkit(self.outside)
        self.allow()
        for change in (lambda path: os.chmod(path, 0o777), lambda path: os.chown(path, 1000, 1000),
                       lambda path: os.chmod(os.path.dirname(path), 0o777)):
            name, bundle = self.toolkit(self.outside)
            change(self.safe + "/hook")
            self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "hook")
            os.chown(self.safe + "/hook", 0, 0)
            os.chmod(self.safe, 0o700)
            self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_control_the_hook_writes_through_the_link(self):
        """With nothing enforced the fake runs, and follows the link to a stand-in."""
        self.use_policy("passthrough")
        name, bundle = self.toolkit(self.place)
        self.gabion("run", "--bundle", bundle, name)
        self.assertEqual(os.listdir(self.place), ["libcuda.so.1"])


class Preload(HookCase):
    """NVIDIA CVE-2025-23266: LD_PRELOAD=/proc/self/cwd/evil.so of the image, and a hook of root's."""

    def setUp(self):
        super().setUp()
        self.marker = self.place + "/marker"
        source = self.work + "/evil.c"
        with open(source, "w", encoding="utf-8") as file:
            file.write(EVIL % self.marker)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", self.work + "/evil.so", source], check=True)

    def preloaded(self, kinds, env=None):
        """A bundle whose hooks are a script, which starts dynamic programs."""
        path = self.hook(f"cat >/dev/null; env >>{self.place}/env; pwd >>{self.place}/env; /bin/true\n")
        words = ["LD_PRELOAD=/proc/self/cwd/evil.so", "LD_AUDIT=/proc/self/cwd/evil.so",
                 f"LD_PRELOAD={self.work}/evil.so", "LD_LIBRARY_PATH=/proc/self/cwd"]

        def edit(document):
            document["process"]["env"] += words
            document["hooks"] = {kind: [dict({"path": path, "args": ["hook"]}, **({"env": words} if env else {}))]
                                 for kind in kinds}
        name, bundle = self.bundle("true", edit=edit)
        for place in (bundle, bundle + "/rootfs"):
            shutil.copy2(self.work + "/evil.so", place)
        return name, bundle

    KINDS = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")

    def test_environment_of_the_image(self):
        """The container's environment does not reach a hook that policy allows; the marker is absent."""
        name, bundle = self.preloaded(self.KINDS)
        self.allow()
        self.gabion("run", "--bundle", bundle, name)
        self.not_loaded(self.KINDS)

    def test_environment_of_the_hook(self):
        """LD_* in the hook's own environment is taken away; the marker is absent."""
        name, bundle = self.preloaded(self.KINDS, env=True)
        self.allow()
        self.gabion("run", "--bundle", bundle, name)
        self.not_loaded(self.KINDS)

    def test_environment_of_the_image_under_passthrough(self):
        """With nothing enforced, too, the container's environment is not the hook's."""
        self.use_policy("passthrough")
        name, bundle = self.preloaded(self.KINDS)
        self.gabion("run", "--bundle", bundle, name)
        self.not_loaded(self.KINDS)

    def not_loaded(self, kinds):
        with open(self.place + "/env", encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count("PWD="), len(kinds), text)  # the hooks ran
        self.assertNotIn("LD_", text)
        self.assertFalse(os.path.exists(self.marker))

    def test_control_the_library_is_loaded(self):
        """Outside, the variable and the working directory are all it takes."""
        subprocess.run(["/bin/true"], cwd=self.work, env={"LD_PRELOAD": "/proc/self/cwd/evil.so"}, check=True)
        self.assertTrue(os.path.exists(self.marker))


class BinaryAddress(HookCase):
    """containerd CVE-2026-53488: a LABEL of the image becomes a log address binary://PROGRAM, which is run as root.

    That address is the engine's shim's to refuse; gabion must not run a program that stands where it takes a path
    or ignores a label."""

    def test_binary_address(self):
        """As an annotation, and as every path the command line takes: the program does not run. What takes the
        address for a path says that there is no such one, or makes a plain file of that name."""
        marker = self.place + "/marker"
        path = self.hook(f"touch {marker}\n")
        address = f"binary://{path}?x=1"
        container = self.running(edit=lambda document: document.update(annotations={
            "io.containerd.image.label.log": address, "com.docker.log": address, "dev.gabion.log": address,
            "io.kubernetes.cri.log-uri": address}))
        self.execute(container, "true")
        for flag in ("--console-socket", "--pid-file"):
            name, bundle = self.bundle("true", terminal=flag == "--console-socket")
            self.refused(self.gabion("create", "--bundle", bundle, flag, address, name, check=False), address)
        name, bundle = self.bundle("true")
        for flag in ("--log", "--audit"):  # the last one given is the one that holds
            done = subprocess.run([*self.command(), flag, address, "run", "--bundle", bundle, name], cwd=self.work,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
            if flag == "--audit":  # whose directories are made: a file of that name
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(os.path.isfile(os.path.join(self.work, address)))
            else:
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(address, done.stderr)
        self.assertFalse(os.path.exists(marker))

    def test_control_the_address_names_a_program(self):
        """An illustration: the stand-in runs what the address names, as the vulnerable shim did."""
        marker = self.place + "/marker"
        address = f"binary://{self.hook(f'touch {marker}')}?x=1"
        subprocess.run([address[len("binary://"):].split("?")[0]], check=True)
        self.assertTrue(os.path.exists(marker))


if __name__ == "__main__":
    unittest.main()
