"""Mounts, masks and devices as seen from inside."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from runtime import Case, make_root, only_gabion


def add(*mounts):
    def edit(document):
        document["mounts"] += mounts
    return edit


def bind(source, destination, *options):
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", *options]}


class Mounts(Case):
    # What is under test is the mounting; the hardening has tests of its own.
    policy = "passthrough"

    def setUp(self):
        super().setUp()
        self.host = self.work + "/host"
        os.makedirs(self.host + "/sub")
        with open(self.host + "/file", "w", encoding="utf-8") as file:
            file.write("of the host\n")

    def options(self, name, point):
        for line in self.execute(name, "cat", "/proc/self/mountinfo").lines:
            fields = line.split()
            if fields[4] == point:
                found = fields[5].split(","), fields[6:fields.index("-")], fields[fields.index("-") + 1:]
        return found

    def test_bind_read_write(self):
        done = self.script("cat /data/file; echo new > /data/made; rm /data/file", edit=add(bind(self.host, "/data", "rw")))
        self.assertEqual(done.out, "of the host")
        self.assertEqual(sorted(os.listdir(self.host)), ["made", "sub"])

    def test_bind_read_only(self):
        done = self.script("cat /data/file; echo new > /data/made", edit=add(bind(self.host, "/data", "ro")), check=False)
        self.assertIn("Read-only file system", done.err)
        self.assertEqual(done.out, "of the host")

    def test_bind_of_a_file(self):
        done = self.script("cat /opt/deep/file; cat /etc/resolv.conf",
                           edit=add(bind(self.host + "/file", "/opt/deep/file", "ro"),
                                    bind(self.host + "/file", "/etc/resolv.conf", "ro")))
        self.assertEqual(done.lines, ["of the host", "of the host"])

    def test_bind_source_missing(self):
        self.refused(self.inside("true", edit=add(bind(self.host + "/absent", "/data")), check=False),
                     self.host + "/absent")
        self.assert_clean()

    def with_submount(self, body):
        """body() with a tmpfs at host/sub, made in this namespace and taken away again."""
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.host + "/sub"], check=True)
        try:
            with open(self.host + "/sub/below", "w", encoding="utf-8") as file:
                file.write("below\n")
            body()
        finally:
            subprocess.run(["umount", self.host + "/sub"], check=True)

    def test_recursive_bind(self):
        def body():
            self.assertEqual(self.script("cat /data/sub/below", edit=add(bind(self.host, "/data", "rw"))).out, "below")
            plain = {"destination": "/data", "type": "bind", "source": self.host, "options": ["bind"]}
            self.assertEqual(self.script("ls /data/sub", edit=add(plain)).out, "")
        self.with_submount(body)

    def test_recursive_read_only(self):
        def body():
            self.script("echo x > /data/sub/y", edit=add(bind(self.host, "/data", "ro")))  # ro is of the top alone
            done = self.script("echo x > /data/sub/z", edit=add(bind(self.host, "/data", "rro")), check=False)
            self.assertIn("Read-only", done.err)
        self.with_submount(body)

    def test_propagation_of_the_root(self):
        """rslave: what the host mounts later shows in the container; private: not."""
        subprocess.run(["mount", "--bind", self.host, self.host], check=True)
        subprocess.run(["mount", "--make-shared", self.host], check=True)
        try:
            seen = {}
            for word in ("rslave", "rprivate"):
                def edit(document, word=word):
                    document["linux"]["rootfsPropagation"] = "rslave"
                    document["mounts"].append(bind(self.host, "/data", word))
                name = self.running(edit=edit)
                subprocess.run(["mount", "-t", "tmpfs", "later", self.host + "/sub"], check=True)
                seen[word] = "later" in self.execute(name, "cat", "/proc/mounts").out
                subprocess.run(["umount", self.host + "/sub"], check=True)
                self.gabion("delete", "--force", name)
            self.assertEqual(seen, {"rslave": True, "rprivate": False})
        finally:
            subprocess.run(["umount", self.host], check=True)

    def test_tmpfs(self):
        mount = {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs",
                 "options": ["noexec", "nosuid", "size=1m", "mode=700"]}
        done = self.script("stat -c %a /scratch; dd if=/dev/zero of=/scratch/x bs=1M count=3 2>&1", edit=add(mount),
                           check=False)
        self.assertEqual(done.lines[0], "700")
        self.assertIn("No space left", done.out)

    def test_tmpfs_copy_up_is_a_known_word_or_an_error(self):
        mount = {"destination": "/var", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}
        done = self.script("cat /var/www/page", edit=add(mount), check=False)
        if done.code == 0:
            self.assertEqual(done.out, "from the image")
        else:
            self.assertIn("tmpcopyup", done.err)

    def test_unknown_option_is_an_error(self):
        mount = {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["nonsense=1"]}
        self.refused(self.inside("true", edit=add(mount), check=False), "/scratch")
        self.assert_clean()

    def test_options(self):
        mount = {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs",
                 "options": ["ro", "noexec", "nosuid", "nodev", "noatime"]}
        name = self.running(edit=add(mount))
        self.assertLessEqual({"ro", "noexec", "nosuid", "nodev", "noatime"}, set(self.options(name, "/scratch")[0]))

    def test_mounts_are_made_in_order(self):
        other = self.work + "/other"
        os.makedirs(other)
        open(other + "/inner", "w", encoding="utf-8").close()
        done = self.script("ls /data /data/sub",
                           edit=add(bind(self.host, "/data", "rw"), bind(other, "/data/sub", "ro")))
        self.assertEqual(done.lines, ["/data:", "file", "sub", "", "/data/sub:", "inner"])

    def test_read_only_root(self):
        def edit(document):
            document["root"]["readonly"] = True
        self.assertIn("Read-only", self.script("touch /x", edit=edit, check=False).err)
        name, bundle = self.bundle("touch", "/x")
        self.gabion("run", "--bundle", bundle, name)
        self.assertTrue(os.path.exists(bundle + "/rootfs/x"))

    def test_masked_and_readonly_paths(self):
        def edit(document):
            document["linux"]["maskedPaths"] += ["/etc/plain", "/var/www", "/absent"]
            document["linux"]["readonlyPaths"] += ["/home", "/absent"]
        done = self.script("cat /etc/plain; ls /var/www; touch /home/x; touch /opt/x && echo written", edit=edit, check=False)
        self.assertEqual(done.out, "written")
        self.assertIn("Read-only", done.err)

    def test_devices_of_the_spec(self):
        def edit(document):
            document["linux"]["devices"] = [
                {"path": "/dev/zero2", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 3, "gid": 4},
                {"path": "/dev/sub/pipe", "type": "p"}]
            document["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"},
                                                          {"allow": True, "type": "c", "major": 1, "minor": 5,
                                                           "access": "rwm"}]}
        done = self.script("stat -c '%a %u %g %F' /dev/zero2; head -c 3 /dev/zero2 | wc -c; ls -l /dev/sub | grep -c ^p",
                           edit=edit)
        self.assertEqual(done.lines, ["640 3 4 character special file", "3", "1"])

    def test_device_cgroup(self):
        def edit(document):
            document["linux"]["devices"] = [{"path": "/dev/mem2", "type": "c", "major": 1, "minor": 1}]
            document["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
        done = self.script("head -c 1 /dev/mem2", edit=edit, check=False)
        self.assertIn("not permitted", done.err)

    def test_links_of_dev(self):
        done = self.script("for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done")
        self.assertEqual(done.lines, ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"])

    def test_cgroup_mount(self):
        mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                 "options": ["ro", "nosuid", "noexec", "nodev"]}

        def edit(document):
            document["mounts"].append(mount)
            document["linux"]["namespaces"].append({"type": "cgroup"})
            document["linux"]["resources"] = {"pids": {"limit": 77}}
        done = self.script("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; cat /proc/self/cgroup; "
                           "mkdir /sys/fs/cgroup/pids/x /sys/fs/cgroup/x", edit=edit, check=False)
        self.assertEqual(done.lines[0], "77")
        self.assertTrue(all(line.endswith(":/") for line in done.lines[1:]), done.out)
        self.assertEqual(done.err.count("Read-only") + done.err.count("nonexistent") + done.err.count("No such"), 2, done.err)

    def test_absolute_root_path(self):
        name, bundle = self.bundle("cat", "/etc/plain",
                                   edit=lambda document: document["root"].update(path=self.work + "/elsewhere"))
        os.rename(bundle + "/rootfs", self.work + "/elsewhere")
        self.assertEqual(self.gabion("run", "--bundle", bundle, name).out, "plain")

    def test_bundle_that_only_root_may_enter(self):
        name, bundle = self.bundle("cat", "/etc/plain")
        os.chmod(bundle, 0o700)
        self.assertEqual(self.gabion("run", "--bundle", bundle, name).out, "plain")


@only_gabion
class Hardened(Case):
    """The same under the default tier: binds keep working, with the right owners on both sides."""

    def setUp(self):
        super().setUp()
        self.host = self.work + "/host"
        os.makedirs(self.host)
        self.use_policy({"extends": "restricted", "allowedHostPaths": [self.work + "/*"]})

    def test_owners_on_both_sides(self):
        os.chown(self.host, 1000, 1000)
        with open(self.host + "/file", "w", encoding="utf-8") as file:
            file.write("x")
        os.chown(self.host + "/file", 1000, 7)
        done = self.script("stat -c '%u %g' /data/file; touch /data/made; stat -c '%u %g' /data/made",
                           edit=add(bind(self.host, "/data", "rw")), user={"uid": 1000, "gid": 1000})
        self.assertEqual(done.lines, ["1000 7", "1000 1000"])
        made = os.stat(self.host + "/made")
        self.assertEqual((made.st_uid, made.st_gid), (1000, 1000))

    def test_bind_of_a_socket_is_refused(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.host + "/engine.sock")
            self.refused(self.inside("true", edit=add(bind(self.host + "/engine.sock", "/opt/sock")), check=False), "socket")

    def test_programs_of_a_writable_bind_do_not_run(self):
        subprocess.run(["cp", "/bin/busybox", self.host + "/true"], check=True)
        done = self.script("/data/true", edit=add(bind(self.host, "/data", "rw", "exec")), check=False)
        self.assertIn("Permission denied", done.err)
        done = self.script("/data/true", edit=add(bind(self.host, "/data", "ro", "exec")))
        self.assertEqual(done.code, 0)


@only_gabion
class Layers(Case):
    """A root that is an engine's overlay, on a shared mount as Docker's is: taken apart and put together anew."""

    def setUp(self):
        super().setUp()
        self.layers = self.work + "/layers"
        for name in ("image", "upper", "work", "merged"):
            os.makedirs(f"{self.layers}/{name}")
        make_root(self.layers + "/base")
        for name, text in (("image/etc/image", "from the image"), ("upper/etc/engine", "from the engine")):
            os.makedirs(os.path.dirname(f"{self.layers}/{name}"), exist_ok=True)
            with open(f"{self.layers}/{name}", "w", encoding="utf-8") as file:
                file.write(text + "\n")
        self.mount("--bind", self.layers, self.layers)
        self.mount("--make-shared", self.layers)

    def mount(self, *words):
        subprocess.run(["mount", *words], check=True)
        if words[0] != "--make-shared":
            self.addCleanup(subprocess.run, ["umount", words[-1]], check=True)

    def engine_root(self, lower, *upper):
        self.mount("-t", "overlay", "overlay", "-o", ",".join(["lowerdir=" + ":".join(
            f"{self.layers}/{name}" for name in lower), *upper]), self.layers + "/merged")

        def edit(document):
            document["root"]["path"] = self.layers + "/merged"
        return edit

    @staticmethod
    def mounts():
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return file.read()

    def writable(self):
        return self.engine_root(("image", "base"), f"upperdir={self.layers}/upper", f"workdir={self.layers}/work")

    def test_every_layer_shows_with_the_right_owners_and_the_host_sees_nothing(self):
        edit = self.writable()
        before = self.mounts()
        done = self.script("cat /etc/image /etc/engine /var/www/page; stat -c '%u %g' / /etc/image /etc/engine; echo x > /etc/x",
                           edit=edit, check=False)
        self.assertEqual(done.lines[:3], ["from the image", "from the engine", "from the image"])
        self.assertEqual(set(done.lines[3:]), {"0 0"})
        self.assertIn("Read-only file system", done.err)
        self.assertEqual(self.mounts(), before)

    def test_writable_root_keeps_unshifted_ids(self):
        self.use_policy({"extends": "restricted", "rules": {"rootfs.readonly": "warn"}})
        edit = self.writable()

        def unlocked(document):
            edit(document)
            document["root"]["readonly"] = False
        before = self.mounts()
        self.script("echo x > /etc/made; rm /etc/image", edit=unlocked)
        self.assertEqual(self.mounts(), before)
        made = os.stat(self.layers + "/upper/etc/made")
        self.assertEqual((made.st_uid, made.st_gid), (0, 0))
        self.script("cat /etc/made; ! cat /etc/image", edit=unlocked)

    def test_a_running_container_and_its_end_leave_the_layers_alone(self):
        edit = self.writable()
        before = self.mounts()
        name = self.running(edit=edit)
        self.assertEqual(self.mounts(), before)
        self.assertEqual(self.execute(name, "cat", "/etc/engine").out, "from the engine")
        self.gabion("delete", "--force", name)
        self.assertEqual(self.mounts(), before)

    def seen_by_a_hook(self, kind, command):
        """What a shell command prints that the policy allows as a hook of this kind."""
        # Not below /var/tmp, where others could swap a directory: gabion would refuse it.
        safe = tempfile.mkdtemp(prefix="gabion-e2e-hook.", dir="/run")
        self.addCleanup(shutil.rmtree, safe)
        hook, seen = os.path.realpath(safe) + "/look", self.work + "/seen"
        with open(hook, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\ncat > /dev/null\n{command} > {seen}\n")
        os.chmod(hook, 0o755)
        self.use_policy({"extends": "restricted", "hooks": [{"paths": [hook]}]})
        edit = self.writable()

        def watched(document):
            edit(document)
            document["hooks"] = {kind: [{"path": hook, "env": ["PATH=/usr/bin:/bin"]}]}
        before = self.mounts()
        self.inside("true", edit=watched)
        with open(seen, encoding="utf-8") as file:
            return file.read(), before

    def test_the_host_sees_nothing_meanwhile(self):
        """A hook of the host looks while the root is built: what it sees would outlive a killed runtime."""
        seen, before = self.seen_by_a_hook("createRuntime", "cat /proc/self/mountinfo")
        self.assertEqual(seen, before)

    def test_a_directory_within_an_overlay_is_refused(self):
        """Put together anew it would be the whole overlay: all of the node, where / is one."""
        edit = self.writable()

        def below(document):
            edit(document)
            document["root"]["path"] = self.layers + "/merged/bin"
        self.refused(self.inside("busybox", edit=below, check=False), "within an overlay mount")
        bound = self.work + "/bound"
        os.mkdir(bound)
        self.mount("--bind", self.layers + "/merged/bin", bound)

        def bind_of_it(document):
            document["root"]["path"] = bound
        self.refused(self.inside("busybox", edit=bind_of_it, check=False), "within an overlay mount")

    def test_a_hook_finds_the_state(self):
        """A createContainer hook runs where the layers are put together, and may ask the runtime."""
        seen, _ = self.seen_by_a_hook("createContainer", f"ls {self.root}/*")
        self.assertLessEqual({"lock", "state.json"}, set(seen.split()))

    def test_layers_without_an_upper(self):
        edit = self.engine_root(("image", "base"))
        self.assertEqual(self.script("cat /etc/image", edit=edit).out, "from the image")


class Namespaces(Case):
    policy = "passthrough"

    def join(self, *kinds):
        first = self.running()
        pid = self.state(first)["pid"]
        names = {"network": "net", "mount": "mnt"}

        def edit(document):
            for entry in document["linux"]["namespaces"]:
                if entry["type"] in kinds:
                    entry["path"] = f"/proc/{pid}/ns/{names.get(entry['type'], entry['type'])}"
            if "uts" in kinds:
                document.pop("hostname")
        return pid, self.running(edit=edit)

    def test_joining_by_path(self):
        kinds = ("network", "ipc", "uts")
        pid, second = self.join(*kinds)
        other = self.state(second)["pid"]
        for kind, same in (("net", True), ("ipc", True), ("uts", True), ("pid", False), ("mnt", False)):
            self.assertEqual(os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/{other}/ns/{kind}"), same, kind)

    def test_joining_a_pid_namespace(self):
        pid, second = self.join("pid")
        self.assertEqual(os.readlink(f"/proc/{pid}/ns/pid"),
                         os.readlink(f"/proc/{self.state(second)['pid']}/ns/pid"))
        # The first one's init is pid 1 there too.
        self.assertEqual(self.execute(second, "cat", "/proc/1/comm").out, "sleep")
        self.gabion("kill", second, "KILL")
        self.wait_status(second, "stopped")
        self.assertEqual(self.status("c1"), "running")

    def test_path_that_is_no_namespace(self):
        def edit(document):
            document["linux"]["namespaces"][1]["path"] = "/etc/passwd"
        self.refused(self.inside("true", edit=edit, check=False))
        self.assert_clean()

    def test_time_offsets(self):
        def edit(document):
            document["linux"]["namespaces"].append({"type": "time"})
            document["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000, "nanosecs": 0},
                                                "monotonic": {"secs": 2_000_000, "nanosecs": 0}}
        done = self.inside("probe", "clock", edit=edit)
        boot, monotonic = map(int, done.out.split())
        self.assertAlmostEqual(boot - time.clock_gettime(time.CLOCK_BOOTTIME), 1_000_000, delta=10)
        self.assertAlmostEqual(monotonic - time.clock_gettime(time.CLOCK_MONOTONIC), 2_000_000, delta=10)

    def test_user_namespace_of_the_spec(self):
        def edit(document):
            document["linux"]["namespaces"].append({"type": "user"})
            for kind in ("uidMappings", "gidMappings"):
                document["linux"][kind] = [{"containerID": 0, "hostID": 700000, "size": 1000}]
        done = self.script("cat /proc/self/uid_map; id -u", edit=edit)
        self.assertEqual([line.split() for line in done.lines], [["0", "700000", "1000"], ["0"]])

    def test_domain_name(self):
        def edit(document):
            document["domainname"] = "example.org"
        self.assertEqual(self.script("cat /proc/sys/kernel/domainname", edit=edit).out, "example.org")


@only_gabion
class Pods(Case):
    """Joining under the default tier: as Kubernetes does it, with a sandbox that gabion made."""

    def test_joining_the_namespaces_of_a_sandbox(self):
        sandbox = self.running()
        pid = self.state(sandbox)["pid"]

        def edit(document):
            for entry in document["linux"]["namespaces"]:
                if entry["type"] in ("network", "ipc", "uts"):
                    entry["path"] = f"/proc/{pid}/ns/" + {"network": "net"}.get(entry["type"], entry["type"])
            document.pop("hostname")
        name = self.running(edit=edit)
        other = self.state(name)["pid"]
        for kind in ("net", "ipc", "uts"):
            self.assertEqual(os.readlink(f"/proc/{pid}/ns/{kind}"), os.readlink(f"/proc/{other}/ns/{kind}"))
        self.assertEqual(self.execute(name, "hostname").out, "e2e")
        answers = dict(line.split() for line in self.execute(name, "probe", "try", "sethostname", "mount-tmpfs").lines)
        self.assertEqual(set(answers.values()), {"EPERM"})

    def test_joining_the_hosts_is_no_way_out(self):
        for kind in ("ipc", "uts", "pid"):
            def edit(document, kind=kind):
                for entry in document["linux"]["namespaces"]:
                    if entry["type"] == kind:
                        entry["path"] = f"/proc/{os.getpid()}/ns/{kind}"
                document.pop("hostname", None)
            name = self.running(edit=edit)
            self.assertNotEqual(os.readlink(f"/proc/{self.state(name)['pid']}/ns/{kind}"),
                                os.readlink(f"/proc/self/ns/{kind}"))


if __name__ == "__main__":
    unittest.main()
