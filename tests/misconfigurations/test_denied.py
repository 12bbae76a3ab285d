"""What a process tries and no mode lets through, in the container and in an exec; and that it works elsewhere."""

import os
import unittest

from player import Player
from runtime import ALL_CAPABILITIES
from misconfiguration import MODES, Denied
from plays_process import caller_has

NO = {"EPERM", "EACCES", "EAFNOSUPPORT", "SIGSYS"}

# No control of kexec, init-module, socket-vsock, socket-alg and x32: a kernel need not have them, or may be locked
# down, and then answers as a filter does.
DENIED = (
    Denied("bpf, perf, keys, modules, mounts", "bpf, perf_event_open, userfaultfd, keyctl, kexec, modules, "
           "open_by_handle_at, the mount family",
           tuple(
           "bpf perf userfaultfd keyctl add-key kexec init-module open-by-handle mount-tmpfs mount-proc mount-bind "
                 "fsopen open-tree mount-setattr umount-mask pivot-root".split()),
           tuple(
           "bpf perf userfaultfd keyctl add-key open-by-handle mount-tmpfs mount-proc mount-bind fsopen open-tree "
                 "mount-setattr umount-mask pivot-root".split()), "`seccompProfile`, `sealNamespaces`"),
    Denied("io_uring", "io_uring_setup", ("io-uring",), ("io-uring",), "`seccompProfile`"),
    Denied("socket families", "AF_VSOCK, AF_PACKET, AF_ALG, netlink but for routes",
           ("socket-vsock", "socket-packet", "socket-alg", "socket-audit", "socket-netfilter", "socket-xfrm"),
           ("socket-packet", "socket-audit", "socket-netfilter", "socket-xfrm"), "`seccompProfile`"),
    Denied("i386 and x32", "system calls of another ABI", ("int80", "x32"), ("int80",), "`seccompProfile`"),
    Denied("nested user namespaces", "unshare, clone", ("unshare-user", "clone-user"), ("unshare-user", "clone-user"),
           "`seccompProfile`, `forbidNestedNamespaces`"),
    Denied("writable and executable", "a program in a memfd", ("memfd-exec",), ("memfd-exec",), "`noMemfdExec`"),
)
ATTEMPTS = [name for row in DENIED for name in row.attempts]


class Tried(Player):
    def answers(self, result):
        self.assertEqual(result.code, 0, str(result))
        return dict(line.split() for line in result.lines)

    def assert_denied(self, answers):
        self.assertEqual(set(answers), set(ATTEMPTS))
        through = {name: answer for name, answer in answers.items() if answer not in NO}
        # vm.memfd_noexec is Linux 6.3's (docs/threat-model.md says so).
        old = not os.path.exists("/proc/sys/vm/memfd_noexec")
        self.assertEqual(through, {"memfd-exec": "ok"} if old else {})

    def trying(self):
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        document["process"]["args"] = ["probe", "try", *ATTEMPTS]
        return document

    def test_no_mode_lets_it_through(self):
        for mode in MODES:
            self.use_policy({"extends": "restricted", "rules": {"*": mode}})
            name, bundle = self.made(self.trying())
            self.assert_denied(self.answers(self.gabion("run", "--bundle", bundle, name)))

    def test_no_mode_lets_an_exec_through(self):
        document = self.clean()
        del document["linux"]["cgroupsPath"]
        name, bundle = self.made(document)
        self.use_policy("restricted")
        self.gabion("run", "--detach", "--bundle", bundle, name)
        for mode in MODES:
            self.use_policy({"extends": "restricted", "rules": {"*": mode}})
            self.assert_denied(self.answers(self.execute(name, "probe", "try", *ATTEMPTS)))

    def test_control_without_gabion_it_works(self):
        """Every capability there is to give, no filter, no policy."""
        document = self.trying()
        every = [name for name in ALL_CAPABILITIES if caller_has(name.removeprefix("CAP_"))]
        document["linux"].pop("seccomp")
        document["process"]["noNewPrivileges"] = False
        document["process"]["capabilities"] = {kind: every for kind in ("bounding", "effective", "permitted")}
        self.use_policy("passthrough")
        name, bundle = self.made(document)
        answers = self.answers(self.gabion("run", "--bundle", bundle, name))
        for row in DENIED:
            stopped = {one: answers[one] for one in row.control if answers[one] in NO | {"ENOSYS"}}
            self.assertEqual(stopped, {}, "denied here too: the attempt shows nothing")


if __name__ == "__main__":
    unittest.main()
