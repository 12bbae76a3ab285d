"""cgroupfs inside containers."""

import os
import unittest

from escape import ALL_CAPABILITIES, Escape, everything, mounts_of


def cgroup(document, *options):
    document["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                               "options": list(options) or ["rw", "nosuid", "nodev", "noexec"]})


MAKE = "for d in /sys/fs/cgroup /sys/fs/cgroup/pids; do mkdir $d/escape && echo made && rmdir $d/escape; done"


class Cgroups(Escape):
    def test_cgroupfs_is_read_only(self):
        """CVE-2023-25809: cgroup mounts asked for as writable, with and without a cgroup namespace: all are
        read-only and nothing can be made or moved."""
        for namespace in (True, False):
            def edit(document, namespace=namespace):
                everything(document)
                cgroup(document)
                if namespace:
                    document["linux"]["namespaces"].append({"type": "cgroup"})
            done = self.script(MAKE + "; for f in $(find /sys/fs/cgroup -name cgroup.procs); do "
                               "echo $$ >$f && echo moved; done; "
                               "mount -o remount,rw /sys/fs/cgroup && echo again; cat /proc/self/mountinfo",
                               edit=edit, check=False)
            mounts = [mount for mount in mounts_of("\n".join(line for line in done.lines if " - " in line))
                      if mount["type"].startswith("cgroup")]
            self.assertTrue(mounts)
            for mount in mounts:
                self.assertIn("ro", mount["options"], mount)
                self.assertEqual(mount["root"], "/", mount)  # seen from a cgroup namespace
            for word in ("made", "moved", "again"):
                self.assertNotIn(word, done.lines)

    def test_control_writable_cgroupfs(self):
        """With nothing enforced, a writable mount lets the container make groups below its own."""
        self.use_policy("passthrough")
        done = self.script(MAKE, edit=lambda document: (everything(document), cgroup(document)), check=False)
        self.assertIn("made", done.lines, str(done))

    RELEASE = ("mkdir /tmp/h; mount -t cgroup -o pids cgroup /tmp/h && echo mounted; "
               "[ -e /tmp/h/release_agent ] && (exec 3>>/tmp/h/release_agent) && echo open")

    @unittest.skipUnless(os.path.exists("/sys/fs/cgroup/pids/release_agent"), "no cgroup v1 here")
    def test_release_agent(self):
        """CVE-2022-0492: a v1 hierarchy mounted inside, its release_agent opened for writing: the mount fails, with
        every capability, and without gabion's filter, too."""
        for policy in ({}, {"seccompProfile": "", "capabilities": ALL_CAPABILITIES}):
            self.use_policy({"extends": "restricted", **policy})
            done = self.script(f"{self.RELEASE}; unshare -Urm sh -c '{self.RELEASE}'", edit=everything, check=False)
            self.assertNotIn("mounted", done.lines)
            self.assertNotIn("open", done.lines)
            self.assertIn("mount: permission denied", done.err)
            self.assertIn("unshare", done.err)

    @unittest.skipUnless(os.path.exists("/sys/fs/cgroup/pids/release_agent"), "no cgroup v1 here")
    def test_control_release_agent(self):
        """With SYS_ADMIN and without a user namespace it can be opened for writing. Nothing is written."""
        self.use_policy("passthrough")
        done = self.script(self.RELEASE, edit=everything, check=False)
        self.assertEqual(done.lines, ["mounted", "open"], str(done))


if __name__ == "__main__":
    unittest.main()
