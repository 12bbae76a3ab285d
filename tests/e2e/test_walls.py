"""The walls behind the mounts and filters: each attack with the wall in front of it made wrong on purpose, stopped
by this one alone; and the same attack without it, which succeeds."""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import unittest

from runtime import ALL_CAPABILITIES, HAS_MDWE, Case, needs_landlock, needs_maximum, only_gabion

needs_mdwe = unittest.skipUnless(HAS_MDWE, "this kernel has no PR_SET_MDWE (Linux 6.3)")

# With SYS_MODULE it would be --privileged, which is refused.
CAPABILITIES = [name for name in ALL_CAPABILITIES if name != "CAP_SYS_MODULE"]
DROP = "cp /bin/busybox {0}/true && chmod +x {0}/true && {0}/true && echo ran"

SYS_PRCTL, SYS_LANDLOCK_CREATE_RULESET = 157, 444
PR_GET_MDWE = 66
ENOSYS, EINVAL, EOPNOTSUPP = 38, 22, 95


def mistaken(**keys):
    """Every rule that keeps mounts apart only warns, no filter, and all capabilities."""
    rules = {"mounts.flags": "warn", "mounts.writable_exec": "warn", "mounts.host_path": "warn",
             "mounts.sensitive_path": "warn", "rootfs.readonly": "rewrite"}
    return {"extends": "restricted", "rules": rules, "seccompProfile": "", "capabilities": ALL_CAPABILITIES, **keys}


def kernel_without(number, error, first_argument=None):
    """A preexec_fn: to the process and its children this system call is one the kernel does not have."""
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    program = [(load, 0, 0, 0), (equal, 0, 3 if first_argument is not None else 1, number)]
    if first_argument is not None:
        program += [(load, 0, 0, 16), (equal, 0, 1, first_argument)]
    program += [(give, 0, 0, 0x00050000 | error), (give, 0, 0, 0x7fff0000)]  # SECCOMP_RET_ERRNO, _ALLOW
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def install(_keep=code):  # the filter points to it
        if prctl(22, 2, filter_, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            os._exit(99)
    return install


def volume(source, *options):
    return {"destination": "/opt/x", "type": "bind", "source": source, "options": list(options)}


class Wall(Case):
    def with_mounts(self, *mounts):
        def edit(document):
            document["process"]["capabilities"] = {kind: list(CAPABILITIES) for kind in (
                "bounding", "effective", "permitted")}
            document["linux"].pop("seccomp")
            document["mounts"] += mounts
        return edit

    def directory(self, name):
        path = f"{self.work}/{name}"
        os.mkdir(path)
        os.chmod(path, 0o777)
        return path


@only_gabion
@needs_landlock
class Landlock(Wall):
    def both(self, script, *mounts, edit=None, **policy):
        """What the script prints with Landlock and without."""
        answers = []
        for on in (True, False):
            self.use_policy(mistaken(landlock=on, **policy))

            def change(document):
                self.with_mounts(*mounts)(document)
                if edit:
                    edit(document)
            answers.append(self.script(script, edit=change, check=False))
        return answers

    def test_what_can_be_written_is_not_executed(self):
        source = self.directory("volume")
        script = "grep ' /opt/x ' /proc/self/mountinfo; " + DROP.format("/opt/x")
        held, control = self.both(script, volume(source, "rbind", "rw", "exec", "suid", "dev"))
        for done in (held, control):
            self.assertNotIn("noexec", done.lines[0], "the mount must be wrong, or it is the mount that holds")
        self.assertEqual(control.lines[1:], ["ran"])
        self.assertEqual(held.lines[1:], [])
        self.assertIn("/opt/x/true: Permission denied", held.err)

    def test_a_tmpfs_that_nobody_made_noexec(self):
        tmpfs = {"destination": "/opt/x", "type": "tmpfs", "source": "tmpfs", "options": ["rw", "exec", "mode=1777"]}
        held, control = self.both(DROP.format("/opt/x"), tmpfs)
        self.assertEqual((held.out, control.out), ("", "ran"))

    def test_a_file_that_can_be_written(self):
        """Engines bind /etc/hosts and its kin: single files, in a directory of programs."""
        path = self.work + "/hosts"
        shutil.copy2("/bin/busybox", path)
        os.chmod(path, 0o777)
        hosts = {"destination": "/etc/echo", "type": "bind", "source": path, "options": ["bind", "rw"]}
        held, control = self.both("/etc/echo ran; cp /bin/busybox /tmp/x; /bin/echo image", hosts)
        self.assertEqual((held.lines, control.lines), (["image"], ["ran", "image"]))

    def test_behind_a_link_of_the_image(self):
        """The mount is where the link leads, and so must the rule be."""
        source = self.directory("volume")
        mount = dict(volume(source, "rbind", "rw", "exec"), destination="/link/x")
        for on, expected in ((True, ""), (False, "ran")):
            self.use_policy(mistaken(landlock=on))
            name, directory = self.bundle("sh", "-c", DROP.format("/opt/x"), edit=self.with_mounts(mount))
            os.symlink("opt", directory + "/rootfs/link")
            self.assertEqual(self.gabion("run", "--bundle", directory, name, check=False).out, expected)
            name, directory = self.bundle(edit=self.with_mounts(mount))
            os.symlink("opt", directory + "/rootfs/link")
            self.gabion("run", "--detach", "--bundle", directory, name)
            done = self.execute(name, "sh", "-c", DROP.format("/opt/x"), check=False)
            self.assertEqual(done.out, expected, str(done))

    def test_one_directory_at_two_places(self):
        """Where it is read-only it may execute, where it is writable not: the same files."""
        source = self.directory("volume")
        held, control = self.both("cp /bin/busybox /opt/x/true; chmod +x /opt/x/true; /opt/y/true && echo ran",
                                  volume(source, "rbind", "rw"),
                                  dict(volume(source, "bind", "ro"), destination="/opt/y"))
        self.assertEqual((held.out, control.out), ("", "ran"))

    def test_what_is_read_only_is_not_written_where_a_mount_below_was_forgotten(self):
        """"ro" without "rro" stops at the top (CVE-2021-21284's kin: a tree is more than its root)."""
        outer = self.directory("outer")
        inner = self.directory("outer/inner")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "gabion-test", inner], check=True)
        try:
            held, control = self.both("touch /opt/x/inner/new && echo written; ls -d /opt/x/inner",
                                      volume(outer, "rbind", "ro"))
        finally:
            subprocess.run(["umount", inner], check=True)
        self.assertEqual((held.lines, control.lines), (["/opt/x/inner"], ["written", "/opt/x/inner"]))
        self.assertIn("Permission denied", held.err)

    def test_no_device_is_made(self):
        """The one the kernel lets anybody make: 0:0, an overlay's whiteout."""
        held, control = self.both("mknod /tmp/w c 0 0 && echo made")
        self.assertEqual((held.out, control.out), ("", "made"))

    def test_only_programs_of_the_container_run(self):
        """CVE-2019-5736 begins by executing the runtime through /proc/self/exe."""
        name, directory = self.bundle("/proc/self/exe", "--version", edit=self.with_mounts())
        self.use_policy(mistaken(landlock=False))
        self.assertIn("gabion", self.gabion("run", "--bundle", directory, name).out)
        self.use_policy(mistaken(landlock=True))
        self.refused(self.gabion("run", "--bundle", directory, name, check=False), "permission denied")

    def test_without_no_new_privileges(self):
        source = self.directory("volume")
        rules = {**mistaken()["rules"], "process.no_new_privileges": "warn"}
        script = "grep NoNewPrivs /proc/self/status; " + DROP.format("/opt/x")
        held, control = self.both(script, volume(source, "rbind", "rw", "exec"), rules=rules)
        self.assertEqual((held.lines, control.lines), (["NoNewPrivs:\t0"], ["NoNewPrivs:\t0", "ran"]))

    def test_exec_is_held_as_the_first_process(self):
        source = self.directory("volume")
        for on, expected in ((True, ""), (False, "ran")):
            self.use_policy(mistaken(landlock=on))
            name = self.running(edit=self.with_mounts(volume(source, "rbind", "rw", "exec")))
            done = self.execute(name, "sh", "-c", DROP.format("/opt/x"), check=False)
            self.assertEqual(done.out, expected, str(done))

    def test_exec_after_the_mount_was_moved_away(self):
        """A process of the container renames what is above a mount: exec must neither fail nor be fooled."""
        source = self.directory("volume")
        self.use_policy(mistaken(landlock=True, volatilePaths=["/tmp", "/var"]))
        mount = dict(volume(source, "rbind", "rw", "exec"), destination="/var/a/b")
        name = self.running("sh", "-c", "mv /var/a /var/c; ln -s /bin /var/a; cp /bin/busybox /var/c/b/true; "
                            "touch /tmp/done; sleep 1000", edit=self.with_mounts(mount))
        self.execute(name, "sh", "-c", "until [ -e /tmp/done ]; do sleep 0.1; done")
        done = self.execute(name, "sh", "-c", "touch /bin/new; ls -d /var/c/b; /var/c/b/true && echo ran", check=False)
        self.assertEqual(done.lines, ["/var/c/b"], str(done))

    def exec_after(self, script, program, *mounts):
        """What an exec of a program says that the container has dropped, after it did the rest of the script, too:
        with Landlock and without."""
        answers = []
        for on in (True, False):
            self.use_policy(mistaken(landlock=on))
            name = self.running("sh", "-c", f"set -e; {script}; cp /bin/busybox {program}; touch /tmp/done; sleep 1000",
                                edit=self.with_mounts(*mounts))
            self.execute(name, "sh", "-c", "until [ -e /tmp/done ]; do sleep 0.1; done")
            answers.append(self.execute(name, "sh", "-c", program + " && echo ran", check=False))
        return answers

    def test_exec_follows_no_link_that_the_container_has_made(self):
        """Where something read-only was mounted, a link leads to what can be written: the right to execute that was
        meant for the one is not the other's."""
        source = self.directory("volume")
        scratch = {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["rw", "exec"]}
        tools = dict(volume(source, "bind", "ro"), destination="/tmp/u/tools")
        held, control = self.exec_after("mv /tmp/u /tmp/v; mkdir /tmp/u; ln -s /scratch /tmp/u/tools", "/scratch/true",
                                        scratch, tools)
        self.assertEqual((held.out, control.out), ("", "ran"), str(held))
        self.assertIn("Permission denied", held.err)

    def test_exec_takes_no_other_mount_for_the_one_that_was_there(self):
        source = self.directory("volume")
        scratch = {"destination": "/tmp/w/tools", "type": "tmpfs", "source": "tmpfs", "options": ["rw", "exec"]}
        tools = dict(volume(source, "bind", "ro"), destination="/tmp/u/tools")
        held, control = self.exec_after("mv /tmp/u /tmp/v; mv /tmp/w /tmp/u", "/tmp/u/tools/true", scratch, tools)
        self.assertEqual((held.out, control.out), ("", "ran"), str(held))
        self.assertIn("Permission denied", held.err)

    def test_exec_and_the_first_process(self):
        """An added process has a domain of its own: it may signal the others and not look into them. That is why
        only `maximum`, which adds none, has Landlock on."""
        for on in (True, False):
            self.use_policy(mistaken(landlock=on))
            name = self.running(edit=self.with_mounts())
            done = self.execute(name, "sh", "-c", "kill -0 1 && echo signalled; cat /proc/1/environ | grep -c PATH",
                                check=False)
            self.assertEqual(done.lines, ["signalled", "0" if on else "1"], str(done))

    def test_what_images_do_goes_on(self):
        self.use_policy({"extends": "restricted", "landlock": True})
        done = self.script("set -e; cd /tmp; mkdir a b; echo x > a/f; mv a/f b/; ln b/f b/g; ln -s b/f l; cat l; "
                           "mkfifo p; rm -r a; echo 100 > /proc/self/oom_score_adj; echo named > /proc/self/comm; "
                           "echo x > /dev/null; head -c 1 /dev/zero | wc -c; touch /dev/shm/s; "
                           "echo y | cat > /run/pid; sed -i s/y/z/ /run/pid; cat /run/pid; : > /run/pid; "
                           "(echo out > /dev/stdout) | cat; find / -xdev > /dev/null; su user -c id; echo end")
        self.assertEqual(done.lines[:4], ["x", "1", "z", "out"], str(done))
        self.assertIn("uid=1000", done.lines[4])
        self.assertEqual(done.lines[5:], ["end"])

    def test_a_kernel_without_it_starts_nothing(self):
        self.use_policy({"extends": "restricted", "landlock": True})
        for error, cure in ((ENOSYS, "CONFIG_SECURITY_LANDLOCK"), (EOPNOTSUPP, "lsm=")):
            name, directory = self.bundle("true")
            done = self.gabion("run", "--bundle", directory, name, check=False,
                               preexec_fn=kernel_without(SYS_LANDLOCK_CREATE_RULESET, error))
            self.refused(done, '"landlock"', cure, "false in the policy")
        self.use_policy("restricted")
        name, directory = self.bundle("echo", "ran")
        done = self.gabion("run", "--bundle", directory, name,
                           preexec_fn=kernel_without(SYS_LANDLOCK_CREATE_RULESET, ENOSYS))
        self.assertEqual(done.out, "ran", "what the policy does not ask for is not missed")


@only_gabion
@needs_mdwe
class MemoryDenyWriteExecute(Wall):
    NAMES = ("map-writable-exec", "write-then-exec")

    def answers(self, done):
        return dict(line.split() for line in done.lines)

    def test_no_memory_is_written_and_then_executed(self):
        for on, expected in ((True, "EACCES"), (False, "ok")):
            self.use_policy(mistaken(memoryDenyWriteExecute=on))
            done = self.inside("probe", "try", *self.NAMES, edit=self.with_mounts())
            self.assertEqual(self.answers(done), {name: expected for name in self.NAMES})

    def test_nor_by_exec(self):
        for on, expected in ((True, "EACCES"), (False, "ok")):
            self.use_policy(mistaken(memoryDenyWriteExecute=on))
            name = self.running(edit=self.with_mounts())
            done = self.execute(name, "sh", "-c", "probe try " + " ".join(self.NAMES))
            self.assertEqual(self.answers(done), {name: expected for name in self.NAMES})

    def test_nor_without_no_new_privileges_and_filters(self):
        rules = {**mistaken()["rules"], "process.no_new_privileges": "warn"}
        self.use_policy(mistaken(memoryDenyWriteExecute=True, rules=rules))
        done = self.script("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; probe try write-then-exec",
                           edit=self.with_mounts())
        self.assertEqual(done.lines, ["NoNewPrivs:\t0", "Seccomp:\t0", "write-then-exec EACCES"])

    def test_a_kernel_without_it_starts_nothing(self):
        self.use_policy({"extends": "restricted", "memoryDenyWriteExecute": True})
        name, directory = self.bundle("true")
        done = self.gabion("run", "--bundle", directory, name, check=False,
                           preexec_fn=kernel_without(SYS_PRCTL, EINVAL, PR_GET_MDWE))
        self.refused(done, '"memoryDenyWriteExecute"', "Linux 6.3", "false in the policy")


@only_gabion
class Maximum(Case):
    @needs_maximum
    def test_check_says_what_the_policy_lacks(self):
        for policy, expected in (("maximum", "fail"), ("restricted", "warn")):
            self.use_policy(policy)
            for name, words in (("landlock", (SYS_LANDLOCK_CREATE_RULESET, ENOSYS)),
                                ("mdwe", (SYS_PRCTL, EINVAL, PR_GET_MDWE))):
                results = []
                for without in (None, kernel_without(*words)):
                    done = self.gabion("check", "--format", "json", check=False, preexec_fn=without)
                    results += [each["result"] for each in json.loads(done.out)["checks"] if each["check"] == name]
                self.assertEqual(results, ["pass", expected])

    @needs_maximum
    def test_memory(self):
        self.use_policy("maximum")
        done = self.inside("probe", "try", "write-then-exec", "map-writable-exec")
        self.assertEqual(done.lines, ["write-then-exec EACCES", "map-writable-exec EACCES"])

    @needs_maximum
    def test_landlock(self):
        """A file of the host behind a descriptor: its user may write it, Landlock does not open it anew."""
        for policy, expected in (("maximum", "denied"), ({"extends": "maximum", "landlock": False}, "opened")):
            self.use_policy(policy)
            name, directory = self.bundle("sh", "-c", "exec 3</proc/self/fd/0 && echo opened || echo denied")
            path = self.work + "/input"
            with open(path, "w", encoding="utf-8") as file:
                file.write("x")
            os.chmod(path, 0o666)
            command = self.command("run", "--bundle", directory, name)
            with open(path, encoding="utf-8") as file:
                done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
            self.assertEqual(done.stdout.strip() or "denied", expected, done.stderr)

    @needs_maximum
    def test_proc_holds_processes_only(self):
        names = {}
        for policy in ("maximum", "restricted"):
            self.use_policy(policy)
            names[policy] = [name for name in self.inside("ls", "/proc").lines if not name.isdigit()]
        self.assertEqual(sorted(names["maximum"]), ["self", "thread-self"])
        self.assertIn("meminfo", names["restricted"])


if __name__ == "__main__":
    unittest.main()
