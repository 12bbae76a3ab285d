"""/dev of hostile images, the console, and devices that were smuggled in."""

import contextlib
import os
import re
import stat
import unittest

from escape import GLOBAL, IS_GABION, SECRET, Escape, mounts_of, some, text_of, without_mount


class Console(Escape):
    """No /dev is mounted: the image's own is what the console is put on."""

    policy = "passthrough"
    LOOK = ("sh", "-c", "echo written >/dev/console; cat /proc/self/mountinfo")

    def terminal_bundle(self):
        def edit(document):
            without_mount(document, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
            document["mounts"].append({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": [
                "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]})
        return self.bundle(*self.LOOK, edit=edit, terminal=True)

    def checked(self, name, bundle):
        """Either no container (0), or one whose console is a pts (1)."""
        out, _ = self.on_terminal(*self.command("run", "--bundle", bundle, name))
        if os.path.isdir(f"{self.root}/{name}"):
            self.gabion("delete", "--force", name)
        if " - proc " not in out:
            return 0
        # Wherever a swap has moved it meanwhile, what was mounted as the console is a node of a devpts.
        # Whole lines: what was still in the terminal at the end may be cut.
        mounts = mounts_of("\n".join(line for line in out.splitlines() if re.match(r"\d+ \d+ \d+:\d+ .* - ", line)))
        consoles = [mount for mount in mounts if mount["point"] in ("/dev/console", "/dev/link")]
        self.assertTrue(consoles, out)
        for mount in consoles:
            self.assertEqual(mount["type"], "devpts", out)
        self.assertEqual([mount for mount in mounts if mount["point"].startswith(self.outside)], [])
        return 1

    def test_console_is_a_link(self):
        """CVE-2025-52565: /dev/console of the image leads to a file; the console is a pts, the file as it was."""
        for target in some(("/opt/bait", self.outside + "/secret", GLOBAL, "pts/0")):
            name, bundle = self.terminal_bundle()
            with open(bundle + "/rootfs/opt/bait", "w", encoding="utf-8") as file:
                file.write("bait\n")
            os.symlink(target, bundle + "/rootfs/dev/console")
            ran = self.checked(name, bundle)
            if IS_GABION:  # passthrough puts it on what the image has, restricted on a /dev that it adds
                self.assertEqual(ran, 0 if self.policy == "passthrough" else 1)
            self.assertEqual(text_of(bundle + "/rootfs/opt/bait"), "bait\n")
            self.assertEqual(text_of(self.outside + "/secret"), SECRET)

    def test_console_swapped(self):
        """CVE-2025-52565 as a race: /dev/console and a link are exchanged while containers with terminals are made."""
        name, bundle = self.terminal_bundle()
        dev = bundle + "/rootfs/dev"
        with open(dev + "/console", "w", encoding="utf-8"):
            pass
        os.symlink(self.outside + "/secret", dev + "/link")
        with self.swapping(dev + "/console", dev + "/link"):
            ran = sum(self.checked(name, bundle) for _ in range(25))
            self.assertTrue(ran or any(self.checked(name, bundle) for _ in range(200)))
        self.assertEqual(text_of(self.outside + "/secret"), SECRET)

    def test_control_a_console_by_name_is_put_on_the_links_target(self):
        """The same link, and mount(8) by name: the file it names is covered."""
        image = self.directory("image")
        for path, text in (("bait", "bait\n"), ("pts", "pts\n")):
            with open(f"{image}/{path}", "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink("bait", image + "/console")
        self.assertEqual(self.on_host('cd "$1"; mount --bind pts console; cat bait', image), "pts\n")


class ConsoleUnderRestricted(Console):
    """The same as engines run it by default."""

    policy = None


class Smuggled(Escape):
    DEVICE = {"path": "/dev/smuggled", "type": "c", "major": 1, "minor": 1, "access": "r"}

    def look(self, **options):
        return self.script("ls /dev; mknod /tmp/mem c 1 1; cat /dev/smuggled", check=False, **options)

    def test_device_in_an_annotation(self):
        """containerd CVE-2026-53492: CDI names and gabion's own words as annotations: no device appears, no hook
        runs, and those that claim to be gabion's are in the audit log."""
        marker = self.outside + "/marker"
        done = self.look(edit=lambda document: document.update(annotations={
            "cdi.k8s.io/escape": "vendor.example/device=all", "cdi.k8s.io/escape2": "vendor.example/hook=" + marker,
            "io.kubernetes.cri.sandbox-id": "x", "run.oci.hooks.stderr": marker, "run.oci.handler": "krun",
            "dev.gabion.policy": "passthrough", "dev.gabion.devices": "/dev/mem",
            "dev.gabion.hooks": "createRuntime=/usr/bin/touch " + marker}))
        self.assertNotIn("smuggled", done.out)
        self.assertNotIn("mem", done.lines)
        self.assertIn("ot permitted", done.err)
        self.assertFalse(os.path.exists(marker))
        ignored = [decision for event in self.events() for decision in event.get("decisions", [])
                   if decision["rule"] == "annotations.ignored"]
        self.assertEqual(len(ignored), 3, ignored)

    def test_control_a_device_of_the_specification(self):
        """The same device where runtimes do look: refused by default, and there when the policy grants it."""
        def edit(document):
            document["linux"]["devices"] = [{key: value for key, value in dict(
                self.DEVICE, minor=5).items() if key != "access"}]
        self.refused(self.look(edit=edit), "devices.nodes")
        self.use_policy({"extends": "restricted", "devices": [dict(self.DEVICE, minor=5)]})
        done = self.script("ls /dev", edit=edit)
        self.assertIn("smuggled", done.lines)

    def test_nodes_in_the_image(self):
        """Device nodes the image brings (CVE-2022-0492's and shocker's neighbours): they cannot be opened."""
        name, bundle = self.bundle("sh", "-c", "head -c 1 /opt/zero | wc -c")
        node = bundle + "/rootfs/opt/zero"
        os.mknod(node, 0o20666, os.makedev(1, 5))
        os.chmod(node, 0o666)
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        self.assertIn("ermission denied", done.err)
        self.assertTrue(stat.S_ISCHR(os.stat(node).st_mode))
        with contextlib.closing(open(node, "rb")) as file:  # the control: outside it is a device
            self.assertEqual(file.read(1), b"\0")


if __name__ == "__main__":
    unittest.main()
