"""What gabion promises of every container, seen from inside one whose config.json asks for the world."""

import json
import os
import shutil
import subprocess
import unittest

from runtime import ALL_CAPABILITIES, Case, Process, digest, needs_maximum, only_gabion, wait_until

DENIED = ("unshare-user unshare-mount unshare-net unshare-pid unshare-uts unshare-cgroup clone-user mount-tmpfs mount-proc "
          "mount-bind remount-rw umount-mask pivot-root fsopen open-tree mount-setattr sethostname setdomainname mknod "
          "mknod-char ptrace-init bpf perf keyctl add-key userfaultfd io-uring init-module kexec open-by-handle reboot "
          "settime swapon syslog memfd-exec map-exec-tmp map-exec-shm int80 x32 socket-vsock socket-packet socket-alg "
          "socket-audit socket-netfilter socket-xfrm").split()
# What images need all the same.
ALLOWED = "chown setuid bind-80 socket-inet socket-unix socket-route".split()


# With SYS_MODULE it would be --privileged, which is refused.
MANY_CAPABILITIES = [name for name in ALL_CAPABILITIES if name != "CAP_SYS_MODULE"]


def careless(document):
    """Everything a careless or hostile author can ask for and still not be refused."""
    document["process"]["capabilities"] = {kind: list(MANY_CAPABILITIES) for kind in (
        "bounding", "effective", "permitted", "inheritable", "ambient")}
    document["process"]["noNewPrivileges"] = False
    document["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 1 << 40, "hard": 1 << 40}]
    document["root"]["readonly"] = False
    linux = document["linux"]
    linux.pop("maskedPaths")
    linux.pop("readonlyPaths")
    linux.pop("seccomp")
    for mount in document["mounts"]:
        mount["options"] = ["rw"]


def careless_with_filter(document):
    seccomp = document["linux"]["seccomp"]
    careless(document)
    document["linux"]["seccomp"] = seccomp


@only_gabion
class Inside(Case):
    def attempts(self, names, execute=None, **options):
        if execute:
            done = self.execute(execute, "probe", "try", *names, **options)
        else:
            done = self.inside("probe", "try", *names, **options)
        return dict(line.split() for line in done.lines)

    def assert_denied(self, answers):
        self.assertEqual(set(answers), set(DENIED))
        got_through = {name: answer for name, answer in answers.items()
                       if answer not in ("EPERM", "ENOSYS", "EACCES", "EAFNOSUPPORT", "ENOSPC", "SIGSYS", "EINVAL", "ENODEV")}
        # vm.memfd_noexec is Linux 6.3's (docs/threat-model.md says so).
        old = not os.path.exists("/proc/sys/vm/memfd_noexec")
        self.assertEqual(got_through, {"memfd-exec": "ok"} if old and "memfd-exec" in answers else {})

    def test_nothing_dangerous_is_allowed(self):
        self.assert_denied(self.attempts(DENIED, edit=careless))
        self.assert_denied(self.attempts(DENIED))

    def test_nothing_dangerous_is_allowed_to_exec(self):
        name = self.running(edit=careless)
        flags = [word for capability in ALL_CAPABILITIES for word in ("--cap", capability)]
        self.assert_denied(self.attempts(DENIED, execute=name, flags=flags))

    def test_images_run_unchanged(self):
        self.assertEqual(self.attempts(ALLOWED), {name: "ok" for name in ALLOWED})

    def test_what_the_spec_denies_stays_denied(self):
        """The spec's filter and gabion's are both installed: the stricter wins."""
        def edit(document):
            document["linux"]["seccomp"]["syscalls"].append({"names": ["chown", "fchown", "lchown", "fchownat"],
                                                             "action": "SCMP_ACT_ERRNO", "errnoRet": 1})
        answers = self.attempts(["chown", "bpf"], edit=edit)
        self.assertEqual(answers["chown"], "EPERM")
        self.assertNotEqual(answers["bpf"], "ok")

    def test_namespaces_alone_would_hold(self):
        """With every capability and no filter but the spec's, the sealed namespaces still say no."""
        self.use_policy({"extends": "restricted", "seccompProfile": "", "capabilities": ALL_CAPABILITIES})
        names = ("mount-tmpfs mount-proc mount-bind remount-rw umount-mask fsopen sethostname setdomainname mknod settime "
                 "syslog reboot unshare-user unshare-mount unshare-net unshare-pid clone-user pivot-root "
                 "init-module").split()
        answers = self.attempts(names, edit=careless)
        self.assertEqual({name: answer for name, answer in answers.items() if answer not in ("EPERM", "ENOSPC", "ENOSYS")}, {})

    def status_of(self, text):
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def assert_status(self, text, filters=2):
        fields = self.status_of(text)
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertEqual(fields["Seccomp"], "2")
        self.assertGreaterEqual(int(fields["Seccomp_filters"]), filters)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(fields[name], 16), 0, name)
        # Within the nine of the tier: no NET_RAW, MKNOD, SYS_CHROOT, SETFCAP, AUDIT_WRITE.
        ceiling = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10))
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(fields[name], 16) & ~ceiling, 0, name + fields[name])

    def test_status(self):
        self.assert_status(self.inside("cat", "/proc/self/status", edit=careless_with_filter).out)
        self.assert_status(self.inside("cat", "/proc/self/status", edit=careless).out, filters=1)

    def test_status_of_exec(self):
        name = self.running(edit=careless_with_filter)
        self.assert_status(self.execute(name, "cat", "/proc/self/status",
                                        flags=("--cap", "CAP_SYS_ADMIN", "--cap", "CAP_NET_RAW")).out)
        file = self.work + "/process.json"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump({"args": ["cat", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
                       "noNewPrivileges": False, "capabilities": {kind: ALL_CAPABILITIES for kind in (
                           "bounding", "effective", "permitted", "inheritable", "ambient")}}, stream)
        self.assert_status(self.gabion("exec", "--process", file, name).out)

    def test_ids_are_this_containers_alone(self):
        seen = []
        names = [self.running(edit=careless) for _ in range(8)]
        for name in names:
            maps = []
            for kind in ("uid_map", "gid_map"):
                with open(f"/proc/{self.state(name)['pid']}/{kind}", encoding="utf-8") as file:
                    lines = file.read().splitlines()
                self.assertEqual(len(lines), 1)
                inside, outside, count = map(int, lines[0].split())
                self.assertEqual((inside, count), (0, 65536))
                self.assertGreaterEqual(outside, 1 << 30)
                maps.append(outside)
            self.assertEqual(maps[0], maps[1])
            seen.append(maps[0])
        self.assertEqual(len(set(seen)), len(seen), seen)
        for one in seen:
            self.assertTrue(all(one == other or abs(one - other) >= 65536 for other in seen))
        self.assertEqual(sorted(self.id_links()), sorted(map(str, seen)))
        # A process of the host sees it as that user, not as root.
        pid = self.state(names[0])["pid"]
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid, seen[0])
        self.assertEqual(self.execute(names[0], "cat", "/proc/self/uid_map").out.split(), ["0", str(seen[0]), "65536"])

    def test_files_of_the_image_are_the_containers(self):
        done = self.script("stat -c '%u %g' / /bin/busybox /etc/passwd /tmp /var/www/page | sort -u", edit=careless)
        self.assertEqual(done.out, "0 0")

    def mounts(self, text):
        for line in text.splitlines():
            fields = line.split()
            yield fields[4], fields[5].split(","), fields[fields.index("-") + 1]

    def test_no_mount_is_writable_and_executable(self):
        host = self.work + "/data"
        os.makedirs(host)
        self.use_policy({"extends": "restricted", "allowedHostPaths": [self.work + "/*"]})

        def edit(document):
            careless(document)
            document["mounts"] += [
                {"destination": "/data", "type": "bind", "source": host, "options": ["rbind", "rw", "exec", "suid", "dev"]},
                {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["rw", "exec", "suid", "dev"]}]
        done = self.inside("cat", "/proc/self/mountinfo", edit=edit)
        points = {}
        for point, options, kind in self.mounts(done.out):
            points[point] = options
            if "rw" in options:
                self.assertIn("noexec", options, f"{point} ({kind}) is writable and executable")
            self.assertIn("nosuid", options, point)
            device_needed = point == "/dev" or point.startswith(("/dev/pts", "/dev/console")) or kind == "devtmpfs"
            self.assertTrue("nodev" in options or device_needed, point)
        self.assertIn("ro", points["/"])
        self.assertIn("/data", points)
        self.assertIn("ro", points["/proc/sys"])
        self.assertIn("ro", points["/sys"])
        for path in ("/tmp", "/run", "/var", "/root", "/home"):
            self.assertIn("rw", points[path])

    def test_root_is_read_only_and_volatile_paths_are_not(self):
        name, bundle = self.bundle("sh", "-c", """
            touch /x /etc/x /bin/x /opt/x 2>/dev/null && echo bad
            cat /var/www/page
            echo changed > /var/www/page && cat /var/www/page
            for p in /tmp /run /var /var/log /root /home; do echo x > $p/new || echo bad $p; done
            cp /bin/busybox /tmp/true && chmod 755 /tmp/true && /tmp/true 2>&1
            sh -c 'ln -s /bin/busybox /tmp/echo; /tmp/echo linked'
            stat -c %a /tmp
            """, edit=careless)
        done = self.gabion("run", "--bundle", bundle, name)
        self.assertEqual(done.lines[:2], ["from the image", "changed"], str(done))
        self.assertIn("Permission denied", done.out + done.err)
        self.assertEqual(done.lines[-2:], ["linked", "1777"])
        self.assertNotIn("bad", done.out)
        with open(bundle + "/rootfs/var/www/page", encoding="utf-8") as file:
            self.assertEqual(file.read(), "from the image\n")
        self.assertEqual(os.listdir(bundle + "/rootfs/tmp"), [])

    def test_volatile_paths_have_a_limit(self):
        self.use_policy({"extends": "restricted", "volatileSize": "4m"})
        done = self.script("dd if=/dev/zero of=/tmp/big bs=1M count=8 2>&1; stat -c %s /tmp/big", edit=careless)
        self.assertIn("No space left", done.out)
        self.assertLessEqual(int(done.lines[-1]), 4 << 20)

    def test_nesting_is_impossible(self):
        # Inside, the values are the container's own user namespace's.
        done = self.script("cd /proc/sys/user; cat max_user_namespaces max_mnt_namespaces max_pid_namespaces "
                           "max_net_namespaces max_ipc_namespaces max_uts_namespaces max_cgroup_namespaces", edit=careless)
        self.assertEqual(set(done.lines), {"0"}, done.out)

    def test_kernel_secrets_are_masked(self):
        done = self.script("for f in /proc/kcore /proc/kallsyms /proc/keys /proc/timer_list /proc/slabinfo /proc/config.gz; "
                           "do [ -e $f ] && head -c 1 $f | wc -c; done; ls -A /sys/firmware /sys/kernel/debug 2>/dev/null "
                           "| grep -v : | grep -c .; echo x > /proc/sys/kernel/core_pattern; echo x > /proc/sys/vm/drop_caches",
                           edit=careless, check=False)
        self.assertEqual(set(done.lines), {"0"}, str(done))
        self.assertEqual(done.err.count("Read-only") + done.err.count("ermission denied"), 2, done.err)

    def test_masks_cannot_be_lifted_through_another_path(self):
        done = self.script("head -c 1 /proc/self/root/proc/kcore /proc/1/root/proc/kcore | wc -c; "
                           "mkdir /tmp/p; mount -t proc proc /tmp/p; ls /tmp/p", edit=careless, check=False)
        self.assertNotIn("kcore", done.out.replace("/proc/kcore", ""))

    def test_core_dumps_are_off(self):
        limits = dict(line.split(" ", 1) for line in self.inside("probe", "limits", edit=careless).lines)
        # 1, not 0: of the two only 1 also stops a core_pattern that pipes to a program (core(5)).
        self.assertEqual(limits["core"], "1 1")

    def test_private_namespaces_whatever_the_spec_says(self):
        def edit(document):
            careless(document)
            document["linux"]["namespaces"] = [{"type": kind} for kind in ("mount", "network")]
            document.pop("hostname")
        name = self.running(edit=edit)
        pid = self.state(name)["pid"]
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/{kind}"), os.readlink(f"/proc/self/ns/{kind}"), kind)
        self.assertEqual(self.execute(name, "sh", "-c", "ls /proc | grep -c '^[0-9]'").out, "4")

    def test_host_network_is_refused(self):
        def edit(document):
            document["linux"]["namespaces"] = [entry for entry in document["linux"]["namespaces"]
                                               if entry["type"] != "network"]
        self.refused(self.inside("true", edit=edit, check=False), "network")
        self.assertEqual(self.events()[-1]["outcome"], "refuse")

    def test_devices(self):
        done = self.script("ls -l /dev | grep '^[bc]' | sed 's/.* //' | sort | tr '\\n' ' '; echo; "
                           "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo missing $d; done; "
                           "echo x > /dev/null && head -c 4 /dev/zero | wc -c; "
                           "head -c 1 /dev/urandom | wc -c; echo x > /dev/full", edit=careless, check=False)
        self.assertEqual(done.lines[0].split(), ["full", "null", "random", "tty", "urandom", "zero"], str(done))
        self.assertEqual(done.lines[1:], ["4", "1"], str(done))

    def test_privileged_is_refused_in_words(self):
        def edit(document):
            careless(document)
            document["process"]["capabilities"]["bounding"] = list(ALL_CAPABILITIES)
            document["mounts"].append({"destination": "/dev/mem", "type": "bind", "source": "/dev/mem", "options": ["bind"]})
            document["linux"]["devices"] = [{"path": "/dev/sda", "type": "b", "major": 8, "minor": 0}]
            document["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
        self.refused(self.inside("true", edit=edit, check=False), "privileged")

    def test_sensitive_host_paths_are_refused_behind_links(self):
        link = self.work + "/innocent"
        for target in ("/", "/etc", "/proc", "/sys", "/dev", "/root", "/run/docker.sock", "/var/lib", "/usr/bin"):
            if not os.path.exists(target):
                continue
            os.symlink(target, link)
            for source in (target, link):
                def edit(document, source=source):
                    document["mounts"].append({"destination": "/opt/x", "type": "bind", "source": source,
                                               "options": ["rbind", "ro"]})
                self.refused(self.inside("true", edit=edit, check=False))
            os.unlink(link)
        self.assert_clean()

    def test_ceilings_when_none_is_set(self):
        name = self.running()
        limits = {}
        for directory in self.cgroups(name):
            for file in ("pids.max", "memory.limit_in_bytes", "memory.max"):
                if os.path.exists(f"{directory}/{file}"):
                    with open(f"{directory}/{file}", encoding="utf-8") as stream:
                        limits[file] = stream.read().strip()
        self.assertEqual(limits["pids.max"], "4096")
        memory = int(limits.get("memory.limit_in_bytes") or limits["memory.max"])
        self.assertLess(memory, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))

    def test_update_is_held_to_the_ceilings(self):
        name = self.running()
        self.gabion("update", "--pids-limit", "100000", "--memory", "-1", name, check=False)
        for directory in self.cgroups(name):
            if os.path.exists(directory + "/pids.max"):
                with open(directory + "/pids.max", encoding="utf-8") as stream:
                    self.assertEqual(stream.read().strip(), "4096")

    def test_runtime_binary_cannot_be_written(self):
        """CVE-2019-5736: who executes /proc/self/exe of the entering process holds the host's file. It can be
        read and run, with the container's rights, and nothing more."""
        name = self.running()
        runtime = self.work + "/gabion"  # a copy: the attack is real
        shutil.copy(self.command()[0], runtime)
        before = digest(runtime)
        waiting = Process([runtime, *self.command("exec", name, "/proc/self/exe", "update", "--resources", "-", "x")[1:]],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            attack = """
                for process in /proc/[0-9]*; do
                  case $(readlink "$process/exe") in *gabion*) ;; *) continue ;; esac
                  exec 9<"$process/exe" && echo opened
                  kill -9 "${process#/proc/}"; sleep 0.2  # a file that runs is busy
                  echo overwritten >/proc/self/fd/9 && echo written
                done"""
            done = wait_until(lambda: (lambda now: now if "opened" in now.out else None)(
                self.execute(name, "sh", "-c", attack, check=False)))
            self.assertIsNotNone(done, "the attack never saw the binary")
            self.assertNotIn("written", done.lines)
            self.assertIn("Permission denied", done.err)
            self.assertEqual(digest(runtime), before)
        finally:
            waiting.kill()
            waiting.stdin.close()
            waiting.wait()
        done = self.execute(name, "/proc/self/exe", "list", check=False)
        self.assertEqual(done.lines[1:], [], "no container of the host is seen from inside")

    def test_cwd_cannot_lead_out(self):
        """CVE-2024-21626."""
        for number in range(3, 12):
            name, bundle = self.bundle("sh", "-c", "cat ../../../../etc/hostname; ls -di .", cwd=f"/proc/self/fd/{number}")
            self.refused(self.gabion("run", "--bundle", bundle, name, check=False))
        name = self.running()
        for number in range(3, 16):
            self.refused(self.execute(name, "pwd", flags=("--cwd", f"/proc/self/fd/{number}"), check=False))

    def test_no_new_keyring_of_the_host(self):
        self.assertNotIn("ok", self.attempts(["keyctl"]).values())

    def test_environment_of_the_caller_stays_outside(self):
        name, bundle = self.bundle("env")
        done = self.gabion("run", "--bundle", bundle, name, env=dict(os.environ, SECRET_OF_THE_HOST="1"))
        self.assertNotIn("SECRET_OF_THE_HOST", done.out)

    @needs_maximum
    def test_maximum_refuses_exec(self):
        self.use_policy("maximum")
        name = self.running(edit=lambda document: document["mounts"].clear() if False else None)
        self.refused(self.execute(name, "true", check=False), "exec")


@only_gabion
class Audit(Case):
    def test_run_is_a_create_a_start_and_a_delete(self):
        self.inside("true")
        self.assertEqual([event["event"] for event in self.events()],
                         ["container.create", "container.start", "container.delete"])

    def test_every_operation_leaves_a_line(self):
        name = self.created()
        self.gabion("start", name)
        self.execute(name, "true")
        self.gabion("pause", name)
        self.gabion("resume", name)
        self.gabion("update", "--pids-limit", "50", name)
        self.gabion("kill", name, "KILL")
        self.wait_status(name, "stopped")
        self.gabion("delete", name)
        events = self.events()
        self.assertEqual([event["event"] for event in events],
                         ["container.create", "container.start", "exec.start", "container.pause", "container.resume",
                          "container.update", "container.kill", "container.delete"])
        self.assertEqual([event["seq"] for event in events], list(range(events[0]["seq"], events[0]["seq"] + len(events))))
        for event in events:
            self.assertEqual((event["container"], event["outcome"]), (name, "allow"))
        for event in (events[0], events[2], events[5]):  # what the policy has judged
            self.assertEqual(event["policy"]["name"], "restricted")
        self.assertTrue(events[0]["decisions"])
        self.assertEqual(events[2]["argv"], ["true"])

    def test_the_line_comes_before_the_effect(self):
        """With the line written and the runtime killed, nothing has started: see also tests/faults."""
        name, bundle = self.bundle("absent")
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False))
        self.assertEqual(self.events()[0]["event"], "container.create")

    def test_no_log_no_start(self):
        os.mkdir(self.audit)
        name, bundle = self.bundle()
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "audit")
        self.assert_clean()
        os.rmdir(self.audit)
        self.gabion("create", "--bundle", bundle, name)
        os.rename(self.audit, self.audit + ".away")
        os.mkdir(self.audit)
        for words in (("start", name), ("exec", name, "true"), ("pause", name), ("update", "--pids-limit", "9", name)):
            self.refused(self.gabion(*words, check=False), "audit")
        self.assertEqual(self.status(name), "created")
        self.gabion("kill", name, "KILL")  # stopping is never refused
        self.wait_status(name, "stopped")
        self.gabion("delete", name)
        os.rmdir(self.audit)

    def test_refusals_are_recorded(self):
        def edit(document):
            document["mounts"].append({"destination": "/opt/x", "type": "bind", "source": "/etc", "options": ["bind"]})
        self.refused(self.inside("true", edit=edit, check=False))
        event = self.events()[-1]
        self.assertEqual((event["event"], event["outcome"]), ("policy.deny", "refuse"))
        self.assertTrue(any(decision["rule"].startswith("mounts.") for decision in event["decisions"]))

    def test_policy_file_of_another_user(self):
        self.use_policy("restricted")
        os.chown(self.policy_file, 1000, 1000)
        self.refused(self.inside("true", check=False), "policy")
        os.chown(self.policy_file, 0, 0)
        os.chmod(self.policy_file, 0o666)
        self.refused(self.inside("true", check=False), "policy")

    def test_explain_runs_nothing(self):
        name, bundle = self.bundle("touch", "/tmp/x")
        done = self.gabion("explain", bundle)
        self.assertIn("capabilities.ceiling", done.out)
        self.assert_clean()
        self.assertFalse(os.path.exists(self.audit))
        self.gabion("run", "--bundle", bundle, name)


@only_gabion
class Secrets(Case):
    """What the host's kernel tells about itself and its keys."""

    FILES = ("/proc/kallsyms", "/proc/slabinfo", "/proc/config.gz", "/proc/key-users", "/proc/cmdline",
             "/sys/kernel/btf/vmlinux", "/sys/devices/virtual/dmi/id/product_uuid",
             "/sys/devices/virtual/dmi/id/sys_vendor", "/sys/class/dmi/id/board_vendor")

    def bytes_of(self, policy):
        self.use_policy(policy)

        def bare(document):
            document["linux"]["maskedPaths"] = []
        done = self.script(f"for f in {' '.join(self.FILES)}; do echo $f $(head -c 9 $f 2>/dev/null | wc -c); done",
                           edit=bare)
        return {path: int(count) for path, count in (line.split() for line in done.lines)}

    def test_hidden_and_there(self):
        hidden, open_ = self.bytes_of("restricted"), self.bytes_of("passthrough")
        self.assertEqual(set(hidden.values()), {0}, hidden)
        for path in self.FILES:
            if os.path.exists(path):
                with open(path, "rb") as file:  # a machine's vendor may be shorter: "QEMU"
                    there = len(file.read(9))
                self.assertEqual(open_[path], there, f"{path} is there to be hidden")
        self.assertGreaterEqual(sum(count > 0 for count in open_.values()), 3)


if __name__ == "__main__":
    unittest.main()
