"""Attacks, each of which did something once or was tried because another runtime fell to it.

Whatever is a file of "the host" here is a canary in a directory of the case; mounts of "the host" are
made in a mount namespace of the case's own.
"""

import os
import shutil
import stat
import subprocess
import time

from runtime import HERE, Case, Process, config_of, make_root, only_gabion, wait_until

SECRET = "canary of the host"


def bind(source, destination, *options):
    return {"destination": destination, "type": "bind", "source": source, "options": list(options) or ["bind"]}


def add(*mounts):
    return lambda document: document["mounts"].extend(mounts)


class Attack(Case):
    def setUp(self):
        super().setUp()
        self.canary = self.work + "/canary"
        os.mkdir(self.canary, 0o700)
        with open(self.canary + "/secret", "w", encoding="utf-8") as file:
            file.write(SECRET + "\n")

    def on_host_with(self, preparation, *words):
        """The runtime's command after shell commands, in a mount namespace that ends with it."""
        command = ["unshare", "-m", "sh", "-ec", preparation + '\nexec "$@"', "sh", *self.command(*words)]
        process = Process(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def attacker(self, what, edit=None):
        """A container in which the attacker runs as a second process, watching those that enter."""
        name, bundle = self.bundle("/bin/attacker", what, "/tmp/seen", edit=edit)
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", bundle + "/rootfs/bin/attacker",
                        HERE + "/attacker.c"], check=True)
        self.gabion("run", "--detach", "--bundle", bundle, name)
        return name

    def directory(self, name):
        path = f"{self.work}/{name}"
        os.makedirs(path, exist_ok=True)
        return path


@only_gabion
class HostPaths(Attack):
    def test_volume_that_is_a_bind_of_a_sensitive_path(self):
        """docker volume create -o type=none -o o=bind -o device=/etc: an allowed path, and the host behind it."""
        for target in ("/etc", "/", "/run"):
            volume = self.directory("volume")
            name, bundle = self.bundle("ls", "/data", edit=add(bind(volume, "/data", "rbind", "ro")))
            code, out, err = self.on_host_with(f"mount --rbind {target} {volume}", "run", "--bundle", bundle, name)
            self.assertNotEqual(code, 0, f"{target}: {out}{err}")
            self.assertIn("mounts.", err)

    def test_directory_of_a_bind_of_a_sensitive_path(self):
        volume = self.directory("volume")
        name, bundle = self.bundle("ls", "/data", edit=add(bind(volume + "/etc/default", "/data", "bind", "ro")))
        code, out, err = self.on_host_with(f"mount --bind / {volume}", "run", "--bundle", bundle, name)
        self.assertNotEqual(code, 0, out + err)
        self.assertIn("/etc", err)

    def test_sensitive_path_mounted_below_the_source(self):
        """An rbind takes along what is mounted below: the path that was judged says nothing of it."""
        volume = self.directory("volume")
        os.mkdir(volume + "/inner")
        for target in ("/etc", "/var/lib"):
            name, bundle = self.bundle("ls", "/data/inner", edit=add(bind(volume, "/data", "rbind", "ro")))
            code, out, err = self.on_host_with(f"mount --bind {target} {volume}/inner", "run", "--bundle", bundle, name)
            self.assertNotEqual(code, 0, f"{target}: {out}{err}")
            self.assertIn(volume + "/inner", err)

    def test_kernel_filesystem_mounted_below_the_source(self):
        volume = self.directory("volume")
        os.mkdir(volume + "/inner")
        name, bundle = self.bundle("ls", "/data/inner", edit=add(bind(volume, "/data", "rbind", "ro")))
        code, out, err = self.on_host_with(f"mount -t proc proc {volume}/inner", "run", "--bundle", bundle, name)
        self.assertNotEqual(code, 0, out + err)
        self.assertIn("mounts.host_filesystem", err)

    def test_ordinary_volumes_still_work(self):
        """A tmpfs, a bind of another allowed directory, and what is mounted below them."""
        volume = self.directory("volume")
        other = self.directory("other")
        os.mkdir(volume + "/inner")
        with open(other + "/file", "w", encoding="utf-8") as file:
            file.write("of the volume\n")
        name, bundle = self.bundle("cat", "/data/inner/file", edit=add(bind(volume, "/data", "rbind", "ro")))
        code, out, err = self.on_host_with(f"mount --bind {other} {volume}/inner", "run", "--bundle", bundle, name)
        self.assertEqual((code, out), (0, "of the volume\n"), err)
        name, bundle = self.bundle("ls", "-d", "/data/inner", edit=add(bind(volume, "/data", "rbind", "ro")))
        code, out, err = self.on_host_with(f"mount -t tmpfs t {volume}; mkdir {volume}/inner", "run", "--bundle", bundle, name)
        self.assertEqual((code, out), (0, "/data/inner\n"), err)

    def test_root_filesystem_behind_a_link(self):
        """bundle/rootfs -> a directory of the node. Asked of `explain`, which makes no mount points in it."""
        for target in ("/etc", "/usr", "/var/log", "/home"):
            name, bundle = self.bundle("sh", root=False)
            os.symlink(target, bundle + "/rootfs")
            done = self.gabion("explain", bundle, check=False)
            self.assertNotEqual(done.code, 0)
            self.assertIn("rootfs.path", done.out)
            self.ids.discard(name)

    def test_root_filesystem_inside_a_directory_of_the_node(self):
        for target in ("/etc/default", "/usr/share", "/proc/self", "/var/lib", "//etc/", "/var/../etc"):
            name, bundle = self.bundle("sh", root=False, edit=lambda document: document["root"].update(path=target))
            done = self.gabion("explain", bundle, check=False)
            self.assertNotEqual(done.code, 0)
            self.assertIn("rootfs.path", done.out)
            self.ids.discard(name)

    def test_root_filesystem_that_is_a_bind_of_the_nodes(self):
        _, bundle = self.bundle("sh")
        code, out, err = self.on_host_with(f"mount --bind /etc {bundle}/rootfs", "explain", bundle)
        self.assertNotEqual(code, 0, out + err)
        self.assertIn("rootfs.path", out + err)

    def test_source_through_another_root(self):
        for source in ("/proc/self/root/etc", f"/proc/{os.getpid()}/root/etc", "//etc/", "/./etc", "/tmp/../etc", "/var/run",
                       "/proc/self/cwd/../../../../../../../../etc"):
            self.refused(self.inside("ls", "/data", edit=add(bind(source, "/data", "rbind", "ro")), check=False), "mounts.")

    def test_types_and_options_that_hide_a_bind(self):
        for mount in ({"destination": "/data", "type": "", "source": "/etc", "options": []},
                      {"destination": "/data", "source": "/etc", "options": ["rbind,ro"]},
                      {"destination": "/data", "type": "none", "source": "/etc", "options": ["rbind"]},
                      {"destination": "/data", "type": "tmpfs", "source": "/etc", "options": ["bind"]},
                      {"destination": "/data", "type": "proc", "source": "/etc", "options": ["rbind"]},
                      {"destination": "/data", "type": "Bind", "source": "/etc"},
                      {"destination": "/data", "type": "bind", "source": "", "options": ["bind"]},
                      {"destination": "/data", "type": "debugfs", "source": "", "options": ["bind"]}):
            self.refused(self.inside("ls", "/data", edit=add(mount), check=False))


@only_gabion
class Destinations(Attack):
    def test_proc_and_sys_elsewhere(self):
        """A second procfs or sysfs would have no masks."""
        for kind in ("proc", "sysfs"):
            self.refused(self.inside("ls", "/opt/view", edit=add(
                {"destination": "/opt/view", "type": kind, "source": kind}), check=False), "mounts.destination")

    def test_destination_linked_into_proc(self):
        """CVE-2019-16884 and its kin: the image leads an innocent destination over /proc."""
        for target, kind in (("/proc", "tmpfs"), ("/proc/sys", "tmpfs"), ("/sys", "tmpfs"), ("/proc/self/attr", "tmpfs"),
                             ("../proc/fs", "tmpfs")):
            name, bundle = self.bundle("true", edit=add({"destination": "/opt/link", "type": kind, "source": kind}))
            os.symlink(target, bundle + "/rootfs/opt/link")
            self.refused(self.gabion("run", "--bundle", bundle, name, check=False), "/opt/link")

    def test_words_for_the_same_place(self):
        for place in ("/./proc", "//proc", "/proc/", "/proc/../proc", "/opt/../proc", "/proc/self", "/proc/sys/kernel",
                      "/sys/kernel", "/dev/null", "//dev//null", "/dev/pts/0", "/"):
            self.refused(self.inside("true", edit=add({"destination": place, "type": "tmpfs", "source": "tmpfs"}),
                                     check=False), "mounts.destination")

    def test_image_directories_as_links(self):
        outside = self.directory("outside")
        for place in ("proc", "sys", "dev"):
            name, bundle = self.bundle("true")
            shutil.rmtree(f"{bundle}/rootfs/{place}")
            os.symlink(outside, f"{bundle}/rootfs/{place}")
            self.refused(self.gabion("run", "--bundle", bundle, name, check=False))
            self.assertEqual(os.listdir(outside), [])

    def test_volatile_paths_as_links(self):
        outside = self.directory("outside")
        for target in ("/", outside, "../../../../.." + outside, "/bin", "/proc"):
            name, bundle = self.bundle("sh", "-c", "id -u; touch /bin/made /made")
            shutil.rmtree(bundle + "/rootfs/tmp")
            os.symlink(target, bundle + "/rootfs/tmp")
            self.gabion("run", "--bundle", bundle, name, check=False)
            self.assertEqual(os.listdir(outside), [])
            self.assertFalse(os.path.exists(bundle + "/rootfs/made"))
            self.assertFalse(os.path.exists(bundle + "/rootfs/bin/made"))

    def test_no_mount_reaches_the_host(self):
        """A mount shared with the host below a private one: what is mounted on it would appear on the host."""
        volume = self.directory("volume")
        os.makedirs(volume + "/inner")
        name, bundle = self.bundle("ls", "/data/inner/place", edit=add(
            bind(volume, "/data", "rbind", "private"),
            {"destination": "/data/inner/place", "type": "tmpfs", "source": "attack"}))
        script = (f"mount --make-rprivate /; mount -t tmpfs t {volume}/inner; mount --make-shared {volume}/inner\n"
                  f"{' '.join(self.command('run', '--bundle', bundle, name))} || true\n"
                  f"grep -c 'attack' /proc/self/mountinfo || true")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stdout.strip().splitlines()[-1], "0", done.stdout + done.stderr)


@only_gabion
class WriteAndExecute(Attack):
    def test_one_volume_writable_here_and_executable_there(self):
        volume = self.directory("volume")
        for first, second in ((volume, volume), (volume, volume + "/sub")):
            os.makedirs(volume + "/sub", exist_ok=True)
            name, bundle = self.bundle("sh", "-c", "cp /bin/busybox /rw/sub/echo; cp /bin/busybox /rw/echo; "
                                       "/ro/echo dropped program ran", edit=add(
                                           bind(first, "/rw", "rbind", "rw"), bind(second, "/ro", "rbind", "ro")))
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            self.assertNotIn("dropped program ran", done.out)
            self.assertIn("Permission denied", done.err)

    def test_the_root_itself_as_a_writable_volume(self):
        name, bundle = self.bundle("sh", "-c", "cp /bin/busybox /rw/opt/echo; /opt/echo dropped program ran")
        document = config_of(bundle)
        document["mounts"].append(bind(bundle + "/rootfs", "/rw", "rbind", "rw"))
        self.write_config(bundle, document)
        os.mkdir(bundle + "/rootfs/rw")
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        self.assertNotIn("dropped program ran", done.out)

    def test_tmpfs_without_a_size_has_the_policys(self):
        self.use_policy({"extends": "restricted", "tmpfsSize": "8m"})
        done = self.script("df -k /scratch | tail -1", edit=add({"destination": "/scratch", "type": "tmpfs", "source": "t"}))
        self.assertEqual(done.out.split()[1], "8192", done.out)


@only_gabion
class Entering(Attack):
    def test_exec_is_never_open_to_a_tracer(self):
        """CVE-2016-9962: a container with SYS_PTRACE looks for descriptors of the runtime that enters it."""
        self.use_policy({"extends": "restricted", "exceptions": [{
            "name": "debugger", "reason": "the case", "match": {"bundle": self.work + "/*"},
            "capabilities": ["CAP_SYS_PTRACE"]}]})

        def edit(document):
            for kind in ("bounding", "effective", "permitted"):
                document["process"]["capabilities"][kind].append("CAP_SYS_PTRACE")
        name = self.attacker("descriptors", edit=edit)
        for _ in range(60):
            self.execute(name, "true")
        done = self.execute(name, "cat", "/tmp/seen", check=False)
        self.assertEqual(done.out.split()[:1], ["watching"], str(done))
        self.assertEqual(done.lines[1:], [])

    def test_links_of_the_image_to_the_runtimes_descriptors(self):
        """What resolves a path of the container while descriptors of the host are open."""
        for number in range(3, 24):
            name, bundle = self.bundle("/bin/leak")
            os.symlink(f"/proc/self/fd/{number}/../../../../../../../../../../{self.canary}/secret", bundle + "/rootfs/bin/leak")
            os.chmod(self.canary, 0o755)
            os.chmod(self.canary + "/secret", 0o755)
            done = self.gabion("run", "--bundle", bundle, name, check=False)
            self.assertNotEqual(done.code, 0)
            self.assertNotIn("canary: not found", done.err + done.out)

    def test_passwd_that_is_a_trap(self):
        for make in (lambda path: os.mkfifo(path), lambda path: os.symlink("/proc/self/fd/3", path),
                     lambda path: os.symlink("/dev/zero", path), lambda path: os.mkdir(path)):
            name, bundle = self.bundle("env")
            document = config_of(bundle)
            document["process"]["env"] = ["PATH=/bin"]
            self.write_config(bundle, document)
            os.unlink(bundle + "/rootfs/etc/passwd")
            make(bundle + "/rootfs/etc/passwd")
            done = self.gabion("run", "--bundle", bundle, name, timeout=10)
            self.assertIn("HOME=/", done.lines)

    @staticmethod
    def bytes_of(path):
        with open(path, "rb") as file:
            return file.read()

    def test_what_the_caller_is_does_not_rub_off(self):
        """An engine is protected from the OOM killer and may run at a better priority; its containers are not."""
        words = "cat /proc/self/oom_score_adj; cut -d' ' -f19 /proc/self/stat; umask"
        name, bundle = self.bundle("sh", "-c", words)
        engine = "umask 0; echo -500 2>/dev/null > /proc/self/oom_score_adj || true; exec nice -n -10 \"$@\""
        done = subprocess.run(["sh", "-c", engine, "sh", *self.command("run", "--bundle", bundle, name)],
                              capture_output=True, text=True, timeout=30, check=True)
        self.assertEqual(done.stdout.split(), ["0", "0", "0022"])

    def test_ids_that_are_not_the_containers(self):
        for user in ({"uid": 65536, "gid": 0}, {"uid": 0, "gid": 65536}, {"uid": 0, "gid": 0, "additionalGids": [70000]}):
            self.refused(self.inside("id", check=False, user=user))
        name = self.running()
        for word in ("65536", "0:65536", "4294967295", "-1", "4294967296", "0x0", " 0"):
            self.refused(self.execute(name, "id", flags=("--user", word), check=False))

    def test_joining_a_user_namespace_that_is_the_hosts_by_another_name(self):
        """Mapped one to one, its root is the host's."""
        holder = subprocess.Popen(["unshare", "-U", "sleep", "100"])
        try:
            wait_until(lambda: b"sleep" in self.bytes_of(f"/proc/{holder.pid}/cmdline").split(b"\0")[0])
            for kind in ("uid_map", "gid_map"):
                with open(f"/proc/{holder.pid}/{kind}", "w", encoding="ascii") as file:
                    file.write("0 0 65536")

            def edit(document):
                document["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{holder.pid}/ns/user"})
                document["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 1900000000, "size": 65536}]
                document["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1900000000, "size": 65536}]
            done = self.inside("cat", "/proc/self/uid_map", edit=edit)
            self.assertGreaterEqual(int(done.out.split()[1]), 65536)
        finally:
            holder.kill()
            holder.wait()

    def test_cgroup_of_exec_stays_below_the_containers(self):
        name = self.running()
        for path in ("..", "../..", "/../..", "a/../..", "./../x", "pids:/..", "nothing:/", "/proc/self/root"):
            self.refused(self.execute(name, "true", flags=("--cgroup", path), check=False))


@only_gabion
class Hanging(Attack):
    """What a container can do to keep its keeper waiting."""

    def test_fork_bomb(self):
        name = self.running("sh", "-c", "f() { f | f & }; f; sleep 1000")
        time.sleep(0.5)
        start = time.monotonic()
        self.gabion("state", name, timeout=10)
        self.gabion("ps", name, timeout=20)
        self.gabion("delete", "--force", name, timeout=30)
        self.assertLess(time.monotonic() - start, 30)
        self.assert_clean()

    def test_background_process_that_keeps_the_terminal(self):
        """`exec -t` ends with its process, whoever else still holds or floods the terminal."""
        name = self.running()
        for word in ("sleep 100", "yes"):
            begin = time.monotonic()
            done = subprocess.run(["script", "-qec", " ".join(self.command(
                "exec", "--tty", name, "sh", "-c", f"'trap \"\" HUP; ({word}) & sleep 0.2; exit 7'")), "/dev/null"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=20, check=False)
            self.assertEqual(done.returncode, 7, done.stdout[-300:])
            self.assertLess(time.monotonic() - begin, 10)

    def test_stopped_first_process(self):
        name = self.running("sh", "-c", "kill -STOP -1; kill -STOP $$; sleep 1000")
        self.gabion("state", name, timeout=10)
        self.execute(name, "true", timeout=10)
        self.gabion("delete", "--force", name, timeout=15)

    def test_exec_stopped_by_the_container_leaves_the_rest_working(self):
        name = self.running("sh", "-c", "while :; do kill -STOP -1; done")
        process = Process(self.command("exec", name, "true"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        begin = time.monotonic()
        self.gabion("state", name, timeout=10)
        self.gabion("delete", "--force", name, timeout=20)
        self.assertIsNotNone(process.finish(10))
        self.assertLess(time.monotonic() - begin, 20)

    def test_exec_stopped_by_the_container_ends(self):
        """A caller that waits for `exec --detach` is told, and nothing of it is left."""
        name = self.running("sh", "-c", "while :; do kill -STOP -1; done")
        for _ in range(5):  # now and then one comes through
            done = self.execute(name, "true", flags=("--detach",), check=False, timeout=30)
            if done.code != 0:
                break
        self.refused(done, "within 10 seconds", "the container has stopped it")
        self.assertEqual(self.gabion("ps", "--format", "json", name).out.count(","), 0)

    def test_exec_in_a_paused_container_waits_as_long_as_it_is_told_to(self):
        name = self.running()
        self.gabion("pause", name)
        process = Process(self.command("exec", "--ignore-paused", name, "true"), stdin=subprocess.DEVNULL)
        self.assertIsNone(process.finish(11))
        self.gabion("resume", name)
        self.assertEqual(process.finish(10), 0)

    def test_very_many_mounts(self):
        mounts = [{"destination": f"/opt/{number}", "type": "nothing", "source": "x"} for number in range(65536)]
        name, bundle = self.bundle("true", edit=lambda document: document["mounts"].extend(mounts))
        begin = time.monotonic()
        self.refused(self.gabion("run", "--bundle", bundle, name, check=False, timeout=60))
        self.assertLess(time.monotonic() - begin, 10)

    def test_very_many_paths(self):
        def edit(document):
            document["linux"]["maskedPaths"] += [f"/opt/none/{number}" for number in range(65536)]
            document["process"]["env"] += [f"V{number}=x" for number in range(10000)]
        begin = time.monotonic()
        self.inside("true", edit=edit)
        self.assertLess(time.monotonic() - begin, 10)


class Devices(Attack):
    policy = "passthrough"

    def shared_root(self):
        if not os.path.isdir(self.work + "/root"):
            make_root(self.work + "/root")
        return self.work + "/root"

    def test_mode_of_a_device_is_not_given_to_another_file(self):
        """chmod(2) by name in a directory a peer writes to: a link in the node's place leads to the host."""
        volume = self.directory("volume")
        victim = self.canary + "/secret"
        os.chmod(victim, 0o600)
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", self.work + "/attacker", HERE + "/attacker.c"],
                       check=True)
        racer = Process([self.work + "/attacker", "swap", volume + "/node", victim])
        try:
            for _ in range(100):
                name, bundle = self.bundle("true", root=False, edit=lambda document: (
                    document["root"].update(path=self.shared_root()),
                    document["mounts"].append(bind(volume, "/data", "rbind", "rw")),
                    document["linux"].update(devices=[{"path": "/data/node", "type": "c", "major": 1, "minor": 3,
                                                       "fileMode": 0o666, "uid": 0, "gid": 0}])))
                self.gabion("run", "--bundle", bundle, name, check=False)
                if os.path.lexists(volume + "/node"):
                    os.unlink(volume + "/node")
                self.assertEqual(stat.S_IMODE(os.stat(victim).st_mode), 0o600)
        finally:
            racer.kill()
            racer.wait()


@only_gabion
class Binary(Attack):
    policy = "passthrough"

    def test_runtime_cannot_be_overwritten(self):
        """CVE-2019-5736 without a user namespace between: the one who enters must not bring the host's file along."""
        name = self.attacker("executable")
        for _ in range(20):
            # It waits for its input, in the container, to be looked at; then it ends and is not busy any more.
            held = Process(self.command("exec", name, "/proc/self/exe", "update", "--resources", "-", "x"),
                           stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.02)
            held.stdin.close()
            held.wait()
        done = self.execute(name, "cat", "/tmp/seen")
        self.assertEqual(done.lines, ["watching", "opened"])
