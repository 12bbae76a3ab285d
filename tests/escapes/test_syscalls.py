"""System calls that were the way into the kernel. Whether the rest of an exploit works is the kernel's business; the
first call of each must fail inside and work outside."""

import os
import unittest

from escape import ALL_CAPABILITIES, Escape, everything

REFUSED = ("EPERM", "ENOSYS", "EACCES", "ENOSPC", "SIGSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT")


class Calls(Escape):
    def denied(self, *names, absent=()):
        """Outside each works (but what this kernel does not have), inside none, in the first process and in an exec."""
        control = self.tried(names)
        self.assertEqual({name: answer for name, answer in control.items()
                          if answer != "ok" and name not in absent}, {})
        container = self.running(edit=everything)
        self.no_one_ok(self.inside("attack", "try", *names, edit=everything).out)
        self.no_one_ok("\n".join(map(" ".join, self.tried(names, container).items())))

    def no_one_ok(self, text):
        answers = dict(line.split() for line in text.splitlines())
        self.assertEqual({name: answer for name, answer in answers.items() if answer not in REFUSED}, {})
        self.assertTrue(answers)

    def test_namespaces_and_netfilter(self):
        """CVE-2022-0185, CVE-2023-0386, CVE-2023-32233, CVE-2024-1086: unshare, clone3, fsopen and netfilter's
        netlink are denied."""
        self.denied("unshare-user", "unshare-mount", "unshare-net", "clone3-user", "fsopen", "netfilter")

    def test_namespaces_without_the_filter(self):
        """The same without gabion's filter: nested namespaces are closed all the same."""
        self.use_policy({"extends": "restricted", "seccompProfile": "", "capabilities": ALL_CAPABILITIES})
        self.denied("unshare-user", "unshare-mount", "unshare-net", "clone3-user", "fsopen")

    def test_page_cache_sockets(self):
        """CVE-2022-0847's kin (CVE-2026-31431, CVE-2026-43284, CVE-2026-43500, CVE-2026-46300): ALG, RXRPC, XFRM and
        KEY sockets are denied; the kernel may lack some, and then they fail outside, too."""
        self.denied("xfrm", "socket-vsock", "socket-alg", "rxrpc", "key",
                    absent=("socket-alg", "rxrpc", "key", "socket-vsock"))

    def test_i386_socketcall(self):
        """The same through i386's socketcall(2), whose arguments no filter sees: that ABI is denied."""
        self.denied("i386-unix", "i386-netlink")

    def test_packet_bpf_and_io_uring(self):
        """CVE-2020-14386; CVE-2017-16995, CVE-2021-3490; CVE-2024-0582: AF_PACKET, bpf(2), io_uring: denied."""
        self.denied("socket-packet", "bpf", "io-uring")

    def test_handles(self):
        """shocker: DAC_READ_SEARCH and a made-up handle of the file system's root inode. EPERM, with the filter and
        without it."""
        for policy in ({}, {"seccompProfile": "", "capabilities": ALL_CAPABILITIES}):
            self.use_policy({"extends": "restricted", **policy})
            for place in ("/", "/etc", "/bin/busybox", "/data"):
                done = self.inside("attack", "root-handle", place, check=False, edit=self.volume)
                self.assertIn(done.out, ("EPERM", "ESTALE", "EOPNOTSUPP"), place)
                self.assertEqual(done.code, 1)

    def test_control_handles(self):
        """The attack works where nothing holds it: on a directory outside, and in a container with the capability and
        without a user namespace, which gets the root inode of the host's file system (and only prints its number)."""
        place = self.directory("place")
        out = self.on_host('"$1" own-handle "$2"', self.attack, place)
        self.assertEqual(out, f"inode {os.stat(place).st_ino}\n")
        if "ext" not in self.on_host('stat -f -c %T "$1"', place):
            self.skipTest("the made-up handle is ext4's")
        self.use_policy("passthrough")
        self.assertEqual(self.inside("attack", "root-handle", "/", edit=self.volume).out, "inode 2")

    def volume(self, document):
        everything(document)
        os.makedirs(self.work + "/data", exist_ok=True)
        document["mounts"].append({"destination": "/data", "type": "bind", "source": self.work + "/data",
                                   "options": ["rbind", "rw"]})


if __name__ == "__main__":
    unittest.main()
