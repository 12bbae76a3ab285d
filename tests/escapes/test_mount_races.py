"""Paths that change while containers are made: a peer with a shared volume, and a process in the bundle."""

import os
import time
import unittest

from escape import SECRET, Escape, bind, mounts_of, text_of, tmpfs, wait_until

ROUNDS = 60


class Races(Escape):
    policy = "passthrough"

    def trap(self, name, target):
        """A volume in which `a` is a directory and `b` a link: they will be exchanged."""
        volume = self.directory(name)
        os.mkdir(volume + "/a")
        os.symlink(target, volume + "/b")
        return volume

    def rounds(self, name, bundle, check, count=ROUNDS):
        """Containers of one bundle, one after the other, and more while none came through. How many ran."""
        ran = tried = 0
        deadline = time.monotonic() + 60
        while tried < count or (ran == 0 and time.monotonic() < deadline):
            tried += 1
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            if done.code == 0:
                ran += 1
                check(done.out)
            elif os.path.isdir(f"{self.root}/{name}"):
                self.gabion("delete", "--force", name)
        return ran

    def only_own(self, bundle, *volumes):
        def check(text):
            self.assertEqual(self.foreign_mounts(text, bundle + "/rootfs", *volumes), [])
        return check

    def test_peer_swaps_a_mount_point(self):
        """CVE-2021-30465, CVE-2024-45310: a peer exchanges the directory of a mount with a link to the host.

        No file system of the host in the container's mountinfo; nothing mounted or made outside."""
        volume = self.trap("volume", self.outside)
        peer = self.running("attack", "swap", "/data/a", "/data/b", "/tmp/count",
                            edit=lambda document: document["mounts"].append(bind(volume, "/data")))

        def swaps():
            return int(self.execute(peer, "cat", "/tmp/count").out or 0)
        name, bundle = self.bundle("cat", "/proc/self/mountinfo", edit=lambda document: document["mounts"].extend(
            [bind(volume, "/data"), tmpfs("/data/a"), tmpfs("/data/a/made/deep"), bind(volume, "/data/a/again")]))
        begin = swaps()
        ran = self.rounds(name, bundle, self.only_own(bundle, volume))
        self.assertGreater(swaps() - begin, 500)
        self.assertGreater(ran, 0, "no container came through: nothing was tested")
        self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_control_a_path_by_name_loses_the_race(self):
        """The same swaps against mkdir(1) by name: some of the directories are made outside."""
        place = self.directory("stand-in")
        volume = self.trap("volume", place)
        with self.swapping(volume + "/a", volume + "/b"):
            self.assertTrue(wait_until(lambda: self.make_by_name(volume + "/a") and os.listdir(place)))

    @staticmethod
    def make_by_name(directory):
        for number in range(100):
            try:
                os.makedirs(f"{directory}/made{number}")
            except OSError:
                pass
        return True

    def test_peer_swaps_the_file_of_a_mount(self):
        """CVE-2021-30465 with a file: /etc/resolv.conf of the image and a link to a file of the host."""
        source = self.work + "/file"
        with open(source, "w", encoding="utf-8") as file:
            file.write("of the engine\n")
        name, bundle = self.bundle("cat", "/proc/self/mountinfo", edit=lambda document: document["mounts"].append(
            bind(source, "/etc/resolv.conf", "bind", "ro")))
        etc = bundle + "/rootfs/etc"
        os.symlink(self.outside + "/secret", etc + "/other")
        with self.swapping(etc + "/resolv.conf", etc + "/other"):
            self.assertGreater(self.rounds(name, bundle, self.only_own(bundle, source)), 0)
        self.assertEqual(text_of(self.outside + "/secret"), SECRET)

    def test_image_swaps_proc_sys_and_dev(self):
        """CVE-2019-19921, CVE-2023-27561, CVE-2025-54867, CVE-2025-52881: /proc, /sys and /dev of the image are
        exchanged with links while the container is made. Whoever runs has the masks, and nothing is outside."""
        for place in ("proc", "sys", "dev", "tmp"):
            name, bundle = self.bundle("cat", "/proc/self/mountinfo")
            root = bundle + "/rootfs"
            os.symlink(self.outside, root + "/link")

            def check(text, allowed=self.only_own(bundle)):
                allowed(text)
                mounts = mounts_of(text)
                for mount in mounts:
                    if mount["type"] == "proc" and mount["root"] == "/":
                        # Not by their paths: /proc is exchanged while they are listed, too.
                        self.assertTrue([other for other in mounts if other["parent"] == mount["id"]
                                         and other["root"] == "/sys" and "ro" in other["options"]], text)
            with self.swapping(f"{root}/{place}", root + "/link"):
                self.assertGreater(self.rounds(name, bundle, check, ROUNDS // 2), 0, place)
            self.assertEqual(os.listdir(self.outside), ["secret"], place)

    def test_image_swaps_null(self):
        """CVE-2025-31133: the image exchanges /dev/null with a link while masks are made of it. No /dev is mounted.

        Masked files stay empty, and the file behind the link is neither shown nor written."""
        def edit(document):
            document["mounts"] = [mount for mount in document["mounts"] if not mount["destination"].startswith("/dev")]
            document["linux"]["maskedPaths"] = ["/opt/masked"]
        name, bundle = self.bundle("sh", "-c", "cat /opt/masked; cat /proc/self/mountinfo", edit=edit)
        root = bundle + "/rootfs"
        with open(root + "/opt/masked", "w", encoding="utf-8") as file:
            file.write("masked secret\n")
        os.mknod(root + "/dev/null", 0o20666, os.makedev(1, 3))
        os.symlink(self.outside + "/secret", root + "/dev/link")

        def check(text):
            self.assertNotIn(SECRET.strip(), text)
            self.assertNotIn("masked secret", text)
        with self.swapping(root + "/dev/null", root + "/dev/link"):
            self.assertGreater(self.rounds(name, bundle, check), 0)
        self.assertEqual(text_of(self.outside + "/secret"), SECRET)


class RacesUnderRestricted(Races):
    """The same races against containers as engines run them by default."""

    policy = None

    def test_source_swapped_between_check_and_mount(self):
        """CVE-2021-30465's other half: the judged source is exchanged with a link to /etc. Only what was judged is
        mounted."""
        volume = self.trap("sources", "/etc")
        with open(volume + "/a/hostname", "w", encoding="utf-8") as file:
            file.write("of the volume\n")
        name, bundle = self.bundle("cat", "/data/hostname", edit=lambda document: document["mounts"].append(
            bind(volume + "/a", "/data", "bind", "ro")))
        seen = []
        with self.swapping(volume + "/a", volume + "/b"):
            self.assertGreater(self.rounds(name, bundle, seen.append), 0)
            self.assertTrue(wait_until(lambda: any(  # the control: a path that is judged and then opened again
                not os.path.islink(volume + "/a") and text_of(volume + "/a/hostname") != "of the volume\n"
                for _ in range(500))))
        self.assertEqual(set(seen), {"of the volume"})


if __name__ == "__main__":
    unittest.main()
