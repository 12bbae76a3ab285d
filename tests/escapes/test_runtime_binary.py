"""The process that enters a container: its program, its descriptors, its working directory, its sockets."""

import os
import shutil
import socket
import subprocess
import unittest

from escape import (ALL_CAPABILITIES, DOCKER_CAPABILITIES, SECRET, Escape, Process, config_of, digest, grant, some,
                    text_of, wait_until)


class RuntimeBinary(Escape):
    policy = "passthrough"

    def command(self, *words):
        """A copy of the runtime is attacked: this attack would really write."""
        words = super().command(*words)
        copy = self.work + "/" + os.path.basename(words[0])
        if not os.path.exists(copy):
            shutil.copy2(words[0], copy)
        return [copy, *words[1:]]

    def test_overwriting_the_runtime(self):
        """CVE-2019-5736: exec of /proc/self/exe; a process inside opens it for writing as soon as it has ended.

        Inside it was opened for reading, never for writing; the file has the same hash."""
        name = self.running("attack", "overwrite", "/tmp/seen", "/")
        copy = self.command()[0]
        before = digest(copy)
        for _ in some(range(30), 10):
            held = Process(self.command("exec", name, "/proc/self/exe", "update", "--resources", "-", "x"),
                           stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: held.poll() is not None, 0.03)
            held.stdin.close()
            held.wait()
        lines = self.execute(name, "cat", "/tmp/seen").lines
        self.assertTrue([line for line in lines if line.startswith("opened")], "the attack never saw the binary")
        self.assertTrue([line for line in lines if line.startswith("denied")], lines)
        self.assertEqual([line for line in lines if line.startswith("overwritten")], [])
        self.assertEqual(digest(copy), before)

    def test_entry_point_that_is_the_runtime(self):
        """CVE-2019-5736 as an image: its program is /proc/self/exe, or a script of that interpreter."""
        copy = self.command()[0]
        before = digest(copy)
        for args in (["/proc/self/exe", "--version"], ["/bin/script"], ["/bin/link", "--version"]):
            name, bundle = self.bundle(*args)
            with open(bundle + "/rootfs/bin/script", "w", encoding="utf-8") as file:
                file.write("#!/proc/self/exe --version\n")
            os.chmod(bundle + "/rootfs/bin/script", 0o755)
            os.symlink("/proc/self/exe", bundle + "/rootfs/bin/link")
            self.gabion("run", "--bundle", bundle, name, check=False, timeout=20)
            self.assertEqual(digest(copy), before)

    def test_control_an_unprotected_program_is_overwritten(self):
        """The same attack on a stand-in that runs beside it, in a pid namespace of theirs."""
        stand_in, seen = self.work + "/sleep", self.work + "/seen"
        shutil.copy2("/bin/busybox", stand_in)  # does what its name says
        subprocess.run(
            ["unshare", "-mpf", "--kill-child", "sh", "-ec",
             'mount -t proc proc /proc; "$1" overwrite "$2" "$3" & "$3" 0.3; sleep 0.3', "sh",
             self.attack, seen, stand_in], check=True, timeout=20)
        self.assertIn("overwritten " + stand_in, text_of(seen))
        with open(stand_in, "rb") as file:
            self.assertTrue(file.read().endswith(b"overwritten"))


class RuntimeBinaryUnderRestricted(RuntimeBinary):
    """The same as engines run it by default."""

    policy = None


class Descriptors(Escape):
    policy = "passthrough"

    def seen_during_execs(self, *capabilities):
        """What a container that looks at all other processes sees during 100 execs: lines in words, without the
        descriptors of files of its own."""
        name = self.running("attack", "fds", "/tmp/seen", edit=lambda config: grant(
            config, *config["process"]["capabilities"]["bounding"], *capabilities))
        times = some(range(100), 10)
        for _ in times:
            self.execute(name, "true")
        # The control: one that has a file open is seen.
        self.execute(name, "sh", "-c", "exec 9</etc/plain; sleep 0.3")
        lines = self.execute(name, "cat", "/tmp/seen").lines
        self.assertGreater(len({line.split()[1] for line in lines if line.startswith("process")}), len(times) // 5)
        seen = [line.split(" ", 4) for line in lines if line.startswith(("descriptor", "elsewhere", "rights"))]
        self.assertTrue([line for line in seen if line[3:] == ["9", "/etc/plain"]], lines)
        return [line for line in seen if not line[-1].startswith(("/etc/plain", "/proc", "/tmp/seen"))]

    def of_the_host(self, seen):
        """What the container has not itself: descriptors and places."""
        return [line for line in seen if line[0] != "rights"][:8]

    def test_descriptors_of_who_enters(self):
        """CVE-2016-9962: a container looks at all /proc/*/fd during 100 execs. It sees processes that came in, and
        never a descriptor of the runtime's in one."""
        self.assertEqual(self.of_the_host(self.seen_during_execs()), [])

    def test_descriptors_of_who_enters_with_ptrace(self):
        """CVE-2016-9962 with SYS_PTRACE and no user namespace between, which opens processes that are not dumpable:
        those that come in have neither descriptors nor the root of the host any more, nor its rights, but for the
        SYS_ADMIN with which a filter is loaded where there is no no_new_privs."""
        seen = self.seen_during_execs("CAP_SYS_PTRACE")
        self.assertEqual(self.of_the_host(seen), [])
        allowed = sum(1 << ALL_CAPABILITIES.index(name)
                      for name in (*DOCKER_CAPABILITIES, "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"))
        rights = [int(line[2], 16) for line in seen if line[0] == "rights"]
        self.assertTrue(rights)
        self.assertEqual([hex(value) for value in rights if value & ~allowed], [])

    def test_who_enters_names_another(self):
        """CVE-2016-9962's kin: with SYS_PTRACE and no user namespace between, a container writes into the memory that a
        process that enters shares with the runtime. The pid of another process there is not what the runtime hands
        out, nor what it kills when the words in that memory say that its own is gone."""
        with self.process("sleep", "1000") as victim:
            name = self.running("attack", "misname", "/tmp/seen", str(victim.pid), edit=lambda config: grant(
                config, *config["process"]["capabilities"]["bounding"], "CAP_SYS_PTRACE"))
            told, pid_file = [], self.work + "/exec.pid"
            for _ in range(40):
                done = self.execute(name, "true", flags=("--detach", "--pid-file", pid_file), check=False)
                told.append(text_of(pid_file))
                self.assertIsNone(victim.poll(), f"a process of the host was ended: {done}"[:500])
                self.assertNotIn("\0", done.err)
            # An exec would be attacked like the others.
            seen = text_of(f"/proc/{self.state(name)['pid']}/root/tmp/seen")
            self.assertGreater(seen.count("written"), 5, "the control: it wrote where it wanted to")
            self.assertNotIn(str(victim.pid), told)

    def test_working_directory_through_a_descriptor(self):
        """CVE-2024-21626: cwd and exec --cwd of /proc/self/fd/N, by name and through a link of the image. Nothing of the
        host's is read: the first process has some such directories, of the container's, an exec has none at all."""
        leaked = os.open(self.outside, os.O_RDONLY)  # an engine's, not close-on-exec
        self.addCleanup(os.close, leaked)
        options = {"pass_fds": [leaked], "check": False, "timeout": 20}
        look = ("sh", "-c", "cat secret ../secret ./../../../../../../.." + self.outside + "/secret")
        container = self.running()
        name, bundle = self.bundle(*look)
        config = config_of(bundle)
        for number in [*some(range(3, 31), 6), leaked]:
            self.replace(f"{bundle}/rootfs/opt/link{number}", f"/proc/self/fd/{number}")
            for place in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/", f"/proc/1/fd/{number}",
                          f"/dev/fd/{number}", f"/opt/link{number}"):
                config["process"]["cwd"] = place
                self.write_config(bundle, config)
                done = self.gabion("run", "--bundle", bundle, name, **options)
                self.stopped(done)
                self.assertNotIn(SECRET.strip(), done.out, place)
                if place.startswith("/opt") or number % 9 == 3 or number == leaked:
                    done = self.gabion("exec", "--cwd", place, container, *look, **options)
                    self.stopped(done, "cwd")
                    self.assertNotIn(SECRET.strip(), done.out, place)

    def test_control_a_leaked_descriptor_leads_out(self):
        """The primitive: below a chroot, /proc/self/fd/9 of a process that kept a directory is the host's."""
        _, bundle = self.bundle()
        out = self.on_host('mount -t proc proc "$1/proc"; exec 9<"$2"\n'
                           'chroot "$1" sh -c "cd /proc/self/fd/9; cat secret"', bundle + "/rootfs", self.outside)
        self.assertEqual(out, SECRET)

    def test_descriptors_of_the_engine(self):
        """CVE-2024-21626: a descriptor the engine forgot to close does not reach the container's program."""
        leaked = os.open(self.outside, os.O_RDONLY)
        self.addCleanup(os.close, leaked)
        inherited = subprocess.run(["ls", "-l", "/proc/self/fd"], pass_fds=[leaked], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout
        self.assertIn(self.outside, inherited)  # the control
        name, bundle = self.bundle("probe", "fds")
        done = self.gabion("run", "--bundle", bundle, name, pass_fds=[leaked])
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2"])
        self.no_leak_in_exec(leaked)

    def no_leak_in_exec(self, leaked):
        container = self.running()
        done = self.execute(container, "probe", "fds", pass_fds=[leaked])
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2"])


class DescriptorsUnderRestricted(Descriptors):
    """The same with ptrace as an exception grants it."""

    policy = None

    def setUp(self):
        super().setUp()
        self.use_policy({"extends": "restricted", "exceptions": [{
            "name": "debugger", "reason": "the case", "match": {"bundle": self.work + "/*"},
            "capabilities": ["CAP_SYS_PTRACE"]}]})

    def test_descriptors_of_who_enters_with_ptrace(self):
        """CVE-2016-9962 with SYS_PTRACE, which means nothing to a process of the host's user namespace."""
        self.assertEqual(self.of_the_host(self.seen_during_execs("CAP_SYS_PTRACE")), [])

    def test_who_enters_names_another(self):
        """CVE-2016-9962's kin, where the policy gives up the user namespace, too."""
        self.use_policy({"extends": "restricted", "userNamespace": False, "capabilities": ["...", "CAP_SYS_PTRACE"]})
        super().test_who_enters_names_another()


class Sockets(Escape):
    def test_no_abstract_socket(self):
        """CVE-2020-15257: with the host's network a container reaches abstract sockets. None of the runtime's is
        one; with its own network it sees none at all."""
        self.use_policy({"extends": "restricted", "exceptions": [{
            "name": "host", "reason": "the case", "match": {"bundle": self.work + "/*"}, "hostNetwork": True}]})
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(f"\0escape-{os.getpid()}")
        listener.listen()
        others = self.abstract(text_of("/proc/net/unix"))
        self.created()  # waits for its start at a socket
        self.running()

        def host_network(document):
            document["linux"]["namespaces"] = [entry for entry in document["linux"]["namespaces"]
                                               if entry["type"] != "network"]
        seen = self.abstract(self.inside("cat", "/proc/net/unix", edit=host_network).out)
        self.assertIn(f"@escape-{os.getpid()}", seen)  # the control: they are seen
        self.assertEqual([path for path in seen - others if "gabion" in path or self.work in path], [])
        self.assertEqual(self.abstract(self.inside("cat", "/proc/net/unix").out), set())
        # What it waits at is a path, in a directory of root's alone.
        info = os.stat(self.root + "/c1")
        self.assertEqual((info.st_uid, info.st_mode & 0o077), (0, 0))

    @staticmethod
    def abstract(text):
        return {line.split()[-1] for line in text.splitlines() if line.split()[-1].startswith("@")}


if __name__ == "__main__":
    unittest.main()
