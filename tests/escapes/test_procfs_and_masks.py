"""Masks, and what the runtime itself reads and writes below /proc."""

import os
import unittest

from escape import GLOBAL, Escape, everything, mounts_of, some, text_of, tmpfs, without_mount


class Masks(Escape):
    policy = "passthrough"

    def test_null_of_the_image(self):
        """CVE-2025-31133: /dev/null of the image is a link; masks and standard input are made of the host's.

        What is masked reads empty, what the link names is neither shown there nor written. Without a /dev of its own
        passthrough has no container; restricted adds the mount."""
        for target in some((GLOBAL, self.outside + "/secret", "/opt/bait", "/dev/zero")):
            def edit(document):
                without_mount(document, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
                document["linux"]["maskedPaths"] = ["/proc/kcore", "/opt/masked"]
            name, bundle = self.bundle("sh", "-c", "cat /opt/masked; echo and; cat /opt/bait", edit=edit)
            for path, text in (("masked", "masked secret\n"), ("bait", "bait\n")):
                with open(f"{bundle}/rootfs/opt/{path}", "w", encoding="utf-8") as file:
                    file.write(text)
            os.symlink(target, bundle + "/rootfs/dev/null")
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            if self.policy == "passthrough":
                self.stopped(done, "device /dev/null: the root filesystem has another file in its place")
            else:
                self.came_through(done)
                self.assertEqual(done.lines, ["and", "bait"])
            if done.code == 0:
                self.assertEqual(done.lines[:1], ["and"], str(done))
            self.assertEqual(text_of(bundle + "/rootfs/opt/bait"), "bait\n")

    def test_control_null_by_name_is_followed(self):
        """The same link, and a mask by name: the bait is shown in the place of the masked file."""
        image = self.directory("image")
        for path, text in (("masked", "masked secret\n"), ("bait", "bait\n")):
            with open(f"{image}/{path}", "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink(image + "/bait", image + "/null")
        out = self.on_host('cd "$1"; mount --bind null masked; cat masked; echo x >>masked; cat bait', image)
        self.assertEqual(out, "bait\nbait\nx\n")

    def test_masks_that_are_links(self):
        """CVE-2025-31133: a masked path of the image that is a link: nothing outside is covered or touched."""
        name, bundle = self.bundle("cat", "/proc/self/mountinfo", edit=lambda document: document["linux"].update(
            maskedPaths=["/opt/link", "/opt/directory"], readonlyPaths=["/opt/link"]))
        os.symlink(self.outside + "/secret", bundle + "/rootfs/opt/link")
        os.symlink(self.outside, bundle + "/rootfs/opt/directory")
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        self.came_through(done)
        if done.code == 0:
            self.assertFalse([mount for mount in mounts_of(done.out) if self.outside in mount["root"]])

    def test_sysctl_redirected(self):
        """CVE-2025-52881: a tmpfs over /proc/sys/net while a sysctl is set: refused; under passthrough the write goes to
        the container's namespace; never to a file of the mount, never to the host."""
        def edit(document):
            document["mounts"].append(tmpfs("/proc/sys/net"))
            document["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
        done = self.inside("sh", "-c", "ls /proc/sys/net", edit=edit, check=False)
        if self.policy == "passthrough":
            self.came_through(done)
        else:
            self.stopped(done, "mounts.destination")
        if done.code == 0:
            self.assertEqual(done.out, "")
        self.assertEqual(self.script("cat /proc/sys/net/ipv4/ip_default_ttl", edit=lambda document: document[
            "linux"].update(sysctl={"net.ipv4.ip_default_ttl": "77"})).out, "77")  # it can be observed

    def test_control_a_write_by_name_is_redirected(self):
        """The same mount, and a write by name: it lands in the tmpfs."""
        out = self.on_host("mount -t tmpfs t /proc/sys/net; echo 77 >/proc/sys/net/made; cat /proc/sys/net/made")
        self.assertEqual(out, "77\n")

    def test_label_redirected(self):
        """CVE-2019-16884, CVE-2025-52881: a label is asked for while /proc/self/attr is covered, or /proc is a
        directory of the image's. Never a container without its label."""
        fake = self.directory("fake")
        for mount in (None, tmpfs("/proc/self/attr"), tmpfs("/proc"),
                      {"destination": "/proc", "type": "bind", "source": fake, "options": ["rbind", "rw"]}):
            def edit(document, mount=mount):
                document["process"]["apparmorProfile"] = "escape-test"
                if mount and mount["destination"] == "/proc":
                    without_mount(document, "/proc")
                if mount:
                    document["mounts"].append(mount)
            # The kernel has no such profile, or no AppArmor: whoever runs has been fooled.
            self.refused(self.inside("true", edit=edit, check=False))
            self.assertEqual(os.listdir(fake), [])


class MasksUnderRestricted(Masks):
    """The same as engines run it by default."""

    policy = None

    def test_masks_are_there_whatever_is_asked(self):
        """CVE-2019-16884, CVE-2023-28642: no masks in the specification, every capability: they are there."""
        def edit(document):
            everything(document)
            document["linux"]["maskedPaths"], document["linux"]["readonlyPaths"] = [], []
        done = self.script("echo x >/proc/sys/kernel/core_pattern; cat /proc/self/mountinfo", edit=edit)
        self.assertIn("Read-only file system", done.err)
        points = {mount["point"]: mount for mount in mounts_of(done.out)}
        self.assertIn("/proc/config.gz", points)
        self.assertIn("/proc/sysrq-trigger" if os.path.exists("/proc/sysrq-trigger") else "/proc/kallsyms", points)
        self.assertIn("ro", points["/proc/sys"]["options"])

    def test_control_without_masks(self):
        """With nothing enforced the same specification has none."""
        self.use_policy("passthrough")

        def edit(document):
            document["linux"]["maskedPaths"], document["linux"]["readonlyPaths"] = [], []
        points = {mount["point"] for mount in mounts_of(self.inside("cat", "/proc/self/mountinfo", edit=edit).out)}
        self.assertEqual([point for point in points if point.startswith("/proc/")], [])


if __name__ == "__main__":
    unittest.main()
