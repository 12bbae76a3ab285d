"""Images whose directories are links, and destinations that lead elsewhere."""

import os
import unittest

from escape import SECRET, Escape, bind, mounts_of, some, text_of, tmpfs, without_mount


class Links(Escape):
    """The engine's specification is ordinary; the image is not. Under passthrough nothing but the way paths are
    opened stands between."""

    policy = "passthrough"

    def naive(self, what, path):
        """What a runtime that goes by name does: it lands outside."""
        place = self.directory("stand-in")
        link = self.work + "/naive"
        self.replace(link, place)
        self.on_host(what, link + path)
        return os.listdir(place)

    def test_proc_and_sys_as_links(self):
        """CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: rootfs/proc or /sys leads elsewhere. The create fails;
        nothing appears outside."""
        for place in ("proc", "sys"):
            for target in some((self.outside, "/etc", "../../../../../../../.." + self.outside)):
                name, bundle = self.bundle("cat", "/proc/self/mountinfo")
                self.replace(f"{bundle}/rootfs/{place}", target)
                self.refused(self.gabion("run", "--bundle", bundle, name, check=False))
        self.assertIn("self", self.on_host(  # the control: mount(8) follows the link
            'ln -s "$1" "$2/proc"; mkdir "$1"; mount -t proc proc "$2/proc"; ls "$1"', self.work + "/followed",
            self.directory("image")).split())

    def test_dev_as_a_link(self):
        """runc CVE-2026-41579, crun CVE-2026-47766: rootfs/dev -> ../outside. It stays empty: no node, no link."""
        for target in some((self.outside, "../../../../../.." + self.outside, "/etc")):
            for own_dev in (True, False):
                def edit(document, own_dev=own_dev):
                    if not own_dev:
                        without_mount(document, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
                name, bundle = self.bundle("true", edit=edit)
                self.replace(bundle + "/rootfs/dev", target)
                self.stopped(self.gabion("run", "--bundle", bundle, name, check=False),
                             "/dev must be an ordinary file or directory")
                self.assertEqual(os.listdir(self.outside), ["secret"])
        self.assertEqual(self.naive('ln -s /proc/self/fd "$1"', "/fd"), ["fd"])

    def test_targets_of_files_as_links(self):
        """crun CVE-2025-24965: what the runtime makes at a known name in the image must not be made behind a link."""
        source = self.work + "/file"
        with open(source, "w", encoding="utf-8") as file:
            file.write("of the engine\n")
        for place in some(("/etc/resolv.conf", "/etc/hosts", "/.krun_config.json", "/run/secrets/key", "/dev/made")):
            for target in (self.outside + "/made", "../../../../../../../.." + self.outside + "/made",
                           self.outside + "/secret", self.outside):
                name, bundle = self.bundle("true", edit=lambda document, place=place: document["mounts"].append(
                    bind(source, place, "bind", "ro")))
                where = bundle + "/rootfs" + place
                os.makedirs(os.path.dirname(where), exist_ok=True)
                self.replace(where, target)
                done = self.gabion("run", "--bundle", bundle, name, check=False)
                if place == "/dev/made":  # over the image's /dev lies a fresh one
                    self.came_through(done)
                else:
                    self.stopped(done, f"open {place} in the root filesystem")
                self.assertEqual(os.listdir(self.outside), ["secret"], f"{place} -> {target}")
                self.assertEqual(text_of(self.outside + "/secret"), SECRET)
        self.assertEqual(self.naive('echo x >"$1"', "/made"), ["made"])

    def test_directories_above_a_target_as_links(self):
        """CVE-2024-45310: directories made for a mount must not be made behind a link of the image's."""
        for target in (self.outside, "../../../../../.." + self.outside):
            name, bundle = self.bundle("true", edit=lambda document: document["mounts"].append(
                tmpfs("/opt/link/made/deep")))
            os.symlink(target, bundle + "/rootfs/opt/link")
            self.stopped(self.gabion("run", "--bundle", bundle, name, check=False),
                         "open /opt/link in the root filesystem")
            self.assertEqual(os.listdir(self.outside), ["secret"])
        self.assertEqual(self.naive('mkdir -p "$1"', "/made/deep"), ["made"])


class LinksUnderRestricted(Links):
    """The same images as engines run them by default."""

    policy = None


class MountsOverProc(Escape):
    PLACES = ("/proc", "/proc/", "//proc", "/opt/../proc", "/proc/self/attr", "/proc/sys", "/proc/sys/net", "/sys",
              "/sys/kernel", "/sys/fs/cgroup/..")

    def test_mounts_over_proc_and_sys(self):
        """CVE-2019-16884, CVE-2023-28642: a tmpfs or bind there would take masks and labels away. Refused."""
        fake = self.directory("fake")
        for place in self.PLACES:
            for mount in (tmpfs(place), bind(fake, place)):
                self.refused(self.inside("true", edit=lambda document, mount=mount: document["mounts"].append(mount),
                                         check=False), "mounts.destination")

    def test_links_that_lead_mounts_over_proc(self):
        """CVE-2019-16884: the destination is innocent, the image leads it over /proc. Refused, passthrough or not."""
        for policy in ("restricted", "passthrough"):
            self.use_policy(policy)
            for target in ("/proc", "../proc", "/proc/self/attr", "/proc/sys", "/sys"):
                name, bundle = self.bundle("cat", "/proc/self/mountinfo", edit=lambda document: document[
                    "mounts"].append(tmpfs("/opt/link")))
                os.symlink(target, bundle + "/rootfs/opt/link")
                self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "/opt/link")

    def test_control_a_mount_takes_the_masks_away(self):
        """Without the rule the attack works: with nothing enforced, and masks given, the tmpfs is over /proc/sys."""
        self.use_policy("passthrough")
        done = self.inside("cat", "/proc/self/mountinfo", edit=lambda document: document["mounts"].append(
            tmpfs("/proc/sys")))
        self.assertIn("tmpfs", [mount["type"] for mount in mounts_of(done.out) if mount["point"] == "/proc/sys"])
        self.assertEqual(self.on_host('mount -t tmpfs t /proc/sys; ls /proc/sys'), "")


if __name__ == "__main__":
    unittest.main()
