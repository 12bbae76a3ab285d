"""A root file system that is missing, or made by an enemy: nothing outside it is made, mounted or changed."""

import contextlib
import os
import shutil
import subprocess
import unittest

from faults import FaultCase, Process, only_gabion


# As a process of its own: it must race, not take turns with the test.
SWAPPER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  puts("ready");
  fflush(stdout);
  while (1) renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
}
"""


def tree(directory):
    """Every name below with what tells that it was touched."""
    found = {}
    for base, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(base, name)
            info = os.lstat(path)
            found[path] = (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return found


@only_gabion
class Hostile(FaultCase):
    def setUp(self):
        super().setUp()
        self.canary = self.work + "/canary"
        os.makedirs(self.canary + "/directory")
        with open(self.canary + "/file", "w", encoding="utf-8") as file:
            file.write("untouched\n")
        self.before = tree(self.canary)
        self.data = self.work + "/data"
        os.makedirs(self.data)
        with open(self.data + "/page", "w", encoding="utf-8") as file:
            file.write("data\n")
        self.use_policy({"extends": "restricted", "allowedHostPaths": [self.work + "/*"]})

    def assert_untouched(self, message=""):
        self.assertEqual(tree(self.canary), self.before, message)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertNotIn(self.canary, file.read(), message)

    def attack(self, change, edit=None, policy=None):
        """Creates and runs a container on a root changed by change(root). Works or speaks; the canary lives."""
        if policy:
            self.use_policy(policy)
        name, bundle = self.bundle("sh", "-c", "ls -la /proc/self/exe >/dev/null; exit 0", edit=edit)
        change(bundle + "/rootfs")
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        if done.code != 0:
            self.spoken(done)
        self.gabion("delete", "--force", name)
        self.assert_untouched(str(done))
        self.assert_clean(str(done))
        return done

    def link_instead(self, path, target):
        def change(root):
            place = root + path
            if os.path.islink(place) or os.path.isfile(place):
                os.unlink(place)
            elif os.path.isdir(place):
                shutil.rmtree(place)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(target, place)
        return change

    def targets(self):
        return (self.canary, self.canary + "/directory", self.canary + "/absent", self.canary + "/file",
                "../" * 20 + self.canary.lstrip("/"), "/proc/self/cwd", "/proc/1/root" + self.canary, "/proc/self/fd/5",
                "loop")

    def test_links_at_the_standard_targets(self):
        for policy in (None, "passthrough"):
            for path in ("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/tmp", "/var", "/run"):
                for target in (self.canary, "../" * 20 + self.canary.lstrip("/"), self.canary + "/absent"):
                    self.attack(self.link_instead(path, target), policy=policy)

    def test_proc_behind_a_link_is_refused_or_inside(self):
        """CVE-2019-16884, CVE-2019-19921: a /proc that is not procfs gets no masks and no labels."""
        for target in self.targets():
            done = self.attack(self.link_instead("/proc", target))
            self.assertNotEqual(done.code, 0, f"/proc -> {target}")

    def test_dev_null_as_a_link(self):
        """CVE-2025-31133: masks made of the image's own /dev/null."""
        for target in (self.canary + "/file", "/proc/sys/kernel/core_pattern", "/proc/kcore"):
            def edit(document):
                document["mounts"] = [mount for mount in document["mounts"] if not mount["destination"].startswith("/dev")]
                document["linux"]["maskedPaths"] = ["/etc/plain"]
            for policy in (None, "passthrough"):
                self.attack(self.link_instead("/dev/null", target), edit=edit, policy=policy)

    def test_dev_entries_of_the_image(self):
        def change(root):
            for name in ("null", "zero", "console", "ptmx", "fd", "stdin", "tty", "core"):
                os.symlink(self.canary + "/file", f"{root}/dev/{name}")
        self.attack(change)
        self.attack(change, edit=lambda document: document["mounts"].__delitem__(slice(1, 5)))
        self.attack(change, edit=lambda document: document["mounts"].__delitem__(slice(1, 5)), policy="passthrough")

    def test_dev_console(self):
        """The console is bound over /dev/console: CVE-2025-52565."""
        def change(root):
            os.symlink(self.canary + "/file", root + "/dev/console")

        def edit(document):
            document["process"]["terminal"] = True
        self.attack(change, edit=edit)

    def bind_to(self, destination, source=None):
        def edit(document):
            document["mounts"].append({"destination": destination, "type": "bind", "source": source or self.data,
                                       "options": ["rbind", "ro"]})
        return edit

    def test_bind_targets(self):
        for target in self.targets():
            self.attack(self.link_instead("/opt/x", target), edit=self.bind_to("/opt/x"))
            self.attack(self.link_instead("/opt/x", target), edit=self.bind_to("/opt/x/y/z"))
            self.attack(self.link_instead("/opt/x", target), edit=self.bind_to("/opt/x", self.data + "/page"))
            self.attack(self.link_instead("/etc/resolv.conf", target),
                        edit=self.bind_to("/etc/resolv.conf", self.data + "/page"))

    def test_targets_that_climb(self):
        for destination in ("/../../../.." + self.canary, "/opt/../../../.." + self.canary + "/new", "/..", "/opt/..", "/",
                            "relative", "//", "/./opt", "/proc/self/root/opt", "/proc/1/cwd", "/proc", "/sys/x", "/dev/null"):
            self.attack(lambda root: None, edit=self.bind_to(destination))

    def test_masked_paths(self):
        def edit(document):
            document["linux"]["maskedPaths"] += ["/opt/x", "/opt/y/z", "/opt/../../../.." + self.canary]
            document["linux"]["readonlyPaths"] += ["/opt/x", "/opt/y/z"]

        def change(root):
            os.symlink(self.canary, root + "/opt/x")
            os.symlink(self.canary, root + "/opt/y")
        for policy in (None, "passthrough"):
            self.attack(change, edit=edit, policy=policy)

    def test_cwd(self):
        def edit(document):
            document["process"]["cwd"] = "/opt/x/new"
        for policy in (None, "passthrough"):
            self.attack(self.link_instead("/opt/x", self.canary), edit=edit, policy=policy)

    def test_devices(self):
        def edit(document):
            document["linux"]["devices"] = [{"path": "/opt/x/zero", "type": "c", "major": 1, "minor": 5},
                                            {"path": "/opt/y", "type": "c", "major": 1, "minor": 5}]

        def change(root):
            os.symlink(self.canary, root + "/opt/x")
            os.symlink(self.canary + "/file", root + "/opt/y")
        self.attack(change, edit=edit, policy="passthrough")

    def test_root_itself(self):
        for make in (lambda root: None, lambda root: open(root, "w", encoding="utf-8").close(),
                     lambda root: os.symlink("rootfs", root), lambda root: os.symlink(self.work + "/absent", root),
                     lambda root: os.mkfifo(root), os.mkdir):
            name, bundle = self.bundle("true", root=False)
            make(bundle + "/rootfs")
            self.spoken(self.gabion("create", "--bundle", bundle, name, check=False))
            self.assert_clean()

    def test_root_is_the_host(self):
        for path in ("/", "/usr/..", "../../../../..", "/etc", "/proc", "/proc/1/root", "/proc/self/root", "/dev", "/sys"):
            name, bundle = self.bundle("true", edit=lambda document, path=path: document["root"].update(path=path))
            self.spoken(self.gabion("create", "--bundle", bundle, name, check=False))
            self.assert_clean()

    def test_executable_is_a_fifo(self):
        name, bundle = self.bundle("/bin/fifo")
        os.mkfifo(bundle + "/rootfs/bin/fifo", 0o755)
        self.spoken(self.gabion("run", "--bundle", bundle, name, check=False, timeout=20))

    @contextlib.contextmanager
    def swapping(self, one, other):
        with open(self.work + "/swap.c", "w", encoding="utf-8") as file:
            file.write(SWAPPER)
        subprocess.run(["gcc", "-O1", "-o", self.work + "/swap", self.work + "/swap.c"], check=True)
        swapper = Process([self.work + "/swap", one, other], stdout=subprocess.PIPE)
        try:
            self.assertEqual(swapper.stdout.readline(), b"ready\n")
            yield
        finally:
            swapper.kill()
            swapper.wait()
            swapper.stdout.close()

    def test_race_at_a_mount_target(self):
        """A directory and a link to the canary change places without pause while containers are made."""
        name, bundle = self.bundle("true", edit=self.bind_to("/opt/x/inner"))
        root = bundle + "/rootfs"
        os.makedirs(root + "/opt/x/inner")
        os.symlink(self.canary, root + "/opt/y")
        made = 0
        with self.swapping(root + "/opt/x", root + "/opt/y"):
            for _ in range(200):
                done = self.gabion("create", "--bundle", bundle, name, check=False)
                if done.code == 0:
                    made += 1
                    with open(f"/proc/{self.state(name)['pid']}/mountinfo", encoding="utf-8") as file:
                        self.assertNotIn(self.canary, file.read())
                else:
                    self.spoken(done)
                self.gabion("delete", "--force", name)
        self.assertGreater(made, 0)
        self.assert_untouched()
        self.assert_clean()

    def test_race_at_proc(self):
        """The same at /proc. Wherever its directory has gone by then, what is mounted is masked."""
        name, bundle = self.bundle("true")
        root = bundle + "/rootfs"
        os.symlink(self.canary, root + "/proc2")
        made = 0
        with self.swapping(root + "/proc", root + "/proc2"):
            for _ in range(100):
                done = self.gabion("create", "--bundle", bundle, name, check=False)
                if done.code == 0:
                    made += 1
                    with open(f"/proc/{self.state(name)['pid']}/mountinfo", encoding="utf-8") as file:
                        mounts = [line.split() for line in file]
                    procfs = [fields[3] for fields in mounts if fields[fields.index("-") + 1] == "proc"]
                    self.assertIn("/", procfs)
                    self.assertIn("/sys", procfs, "a /proc/sys that can be written")
                else:
                    self.spoken(done)
                self.gabion("delete", "--force", name)
        self.assertGreater(made, 0)
        self.assert_untouched()


if __name__ == "__main__":
    unittest.main()
