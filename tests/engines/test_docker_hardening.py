"""Docker: what gabion promises of every container, whatever was asked for."""

import json
import os
import subprocess

from engine import (IS_GABION, RUNTIME, DockerCase, assert_process_hardened, cgroups, eventually, only_gabion,
                    process_parents)


@only_gabion
class Promises(DockerCase):
    @staticmethod
    def runtimes():
        """Pids of the runtime under test that are children of this node's shims."""
        node = os.readlink("/proc/self/ns/mnt")
        found = []
        for pid in process_parents():
            try:
                if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(RUNTIME) and \
                        os.readlink(f"/proc/{pid}/ns/mnt") == node:
                    found.append(pid)
            except OSError:
                pass
        return found

    def refused(self, *options, because):
        result = self.docker("run", "--rm", *options, self.image, "true", check=False)
        self.assertNotEqual(result.code, 0, result)
        self.assertRegex(result.err, because)
        return result

    def test_default_container(self):
        name = self.daemon("sleep", "1000")
        self.assert_hardened(name)

    def test_exec_is_held_to_the_same(self):
        name = self.daemon("sleep", "1000")
        status = self.docker("exec", "--privileged", name, "cat", "/proc/self/status", check=False)
        if status.code == 0:
            plain = self.docker("exec", name, "cat", "/proc/self/status").out
            pick = lambda text: [l for l in text.splitlines() if l.startswith(("Cap", "NoNew", "Seccomp"))]
            self.assertEqual(pick(status.out), pick(plain))

    def test_two_containers_never_share_ids(self):
        maps = set()
        for suffix in ("-a", "-b"):
            name = self.daemon("sleep", "1000", suffix=suffix)
            with open(f"/proc/{self.inspect(name, '.State.Pid')}/uid_map", encoding="utf-8") as file:
                maps.add(file.read())
        self.assertEqual(len(maps), 2)

    def test_privileged_is_refused(self):
        result = self.refused("--privileged", because="privileged")
        self.assertIn("/etc/gabion/policy.json", result.err)  # what to use instead

    def test_engine_socket_is_refused(self):
        self.refused("-v", "/var/run/docker.sock:/var/run/docker.sock", because="docker.sock")
        self.refused("-v", "/run:/host-run", because="/run")
        self.refused("-v", "/run/containerd:/c", because="containerd")

    def test_engine_socket_behind_a_link_is_refused(self):
        os.symlink("/run/docker.sock", self.path("/srv/innocent"))
        self.addCleanup(os.unlink, self.path("/srv/innocent"))
        self.refused("-v", "/srv/innocent:/s", because="docker.sock")

    def test_sensitive_host_paths_are_refused(self):
        for path in ("/", "/etc", "/proc", "/sys", "/dev", "/root", "/var/lib", "/var/lib/docker", "/etc/shadow"):
            with self.subTest(path):
                self.refused("-v", f"{path}:/host", because="refused|not allowed|may not")

    def test_host_pid_namespace(self):
        """Rewritten to a private one, or refused: never the host's."""
        result = self.docker("run", "--rm", "--pid=host", self.image, "sh", "-c", "echo $$; ls /proc/ | grep -c '^[0-9]'",
                        check=False)
        if result.code == 0:
            self.assertEqual(result.out.split()[0], "1")

    def test_host_network(self):
        result = self.docker("run", "--rm", "--network=host", self.image, "ip", "-o", "link", check=False)
        self.assertTrue(result.code != 0 or "docker0" not in result.out, result)

    def test_host_ipc_and_uts(self):
        for option in ("--ipc=host", "--uts=host"):
            kind = option.split("=")[0].strip("-")
            result = self.docker("run", "--rm", option, self.image, "readlink", f"/proc/self/ns/{kind}", check=False)
            self.assertTrue(result.code != 0 or result.out != os.readlink(f"/proc/self/ns/{kind}"), result)

    def test_added_capabilities_stay_out(self):
        result = self.sh("grep CapEff /proc/self/status; ip link set lo down", "--cap-add", "ALL", check=False)
        if "CapEff" in result.out:
            self.assertEqual(int(result.out.split()[1], 16) & ~0xA80425FB, 0)
            self.assertNotEqual(result.code, 0)

    def test_unconfined_seccomp_stays_confined(self):
        result = self.sh("grep Seccomp: /proc/self/status; unshare -U true", "--security-opt", "seccomp=unconfined",
                         check=False)
        self.assertIn("Seccomp:\t2", result.out)
        self.assertNotEqual(result.code, 0)

    def test_devices_are_dropped_or_refused(self):
        result = self.docker("run", "--rm", "--device", "/dev/loop-control", self.image, "ls", "/dev/loop-control",
                        check=False)
        self.assertNotEqual(result.code, 0)

    def test_sealed_namespaces(self):
        """Even root inside may not change what it lives in."""
        name = self.daemon("sleep", "1000")
        for command in ("mount -t tmpfs t /mnt", "mount -o remount,rw /", "umount /proc", "hostname other",
                        "ip link add d0 type dummy", "unshare -m true", "unshare -r true",
                        "echo 1 > /proc/sys/kernel/panic", "echo c > /proc/sysrq-trigger", "mknod /tmp/m c 1 1",
                        "chroot / true && echo 5 > /proc/sys/net/ipv4/ip_default_ttl"):
            with self.subTest(command):
                self.assertNotEqual(self.docker("exec", name, "sh", "-c", command, check=False).code, 0)

    def test_nothing_writable_is_executable(self):
        name = self.daemon("sleep", "1000")
        for directory in ("/tmp", "/run", "/var/tmp", "/dev/shm"):
            with self.subTest(directory):
                result = self.docker("exec", name, "sh", "-c",
                                f"cp /bin/busybox {directory}/true && {directory}/true", check=False)
                self.assertEqual(result.code, 126, result)
        assert_process_hardened(self, self.inspect(name, ".State.Pid"))

    def test_masked_paths(self):
        files = "kcore", "keys", "timer_list", "kallsyms", "config.gz", "slabinfo", "sysrq-trigger"
        for name in files[:-1]:
            with self.subTest(name):
                self.assertEqual(self.sh(f"head -c 1 /proc/{name} 2>/dev/null | wc -c").out, "0")
        self.assertEqual(self.sh("ls /sys/firmware /proc/scsi 2>/dev/null | grep -v : | grep -c .", check=False).out, "0")
        self.assertNotEqual(self.sh(f"echo h > /proc/{files[-1]}", check=False).code, 0)

    def test_audit_has_the_whole_life(self):
        name = self.daemon("sleep", "1000")
        self.docker("exec", name, "true")
        identity = self.inspect(name, ".Id")
        self.docker("rm", "-f", name)
        events = []
        with open(self.path("/var/log/gabion/audit.jsonl"), encoding="utf-8") as log:
            for line in log:
                record = json.loads(line)
                if identity in line:
                    events.append(record["event"])
        for event in ("container.create", "container.start", "exec.start", "container.kill", "container.delete"):
            self.assertTrue(any(e.startswith(event.rsplit(".", 1)[0]) and event.rsplit(".", 1)[1] in e for e in events),
                            f"{event} is not among {events}")

    def test_refusals_leave_nothing(self):
        for _ in range(5):
            self.docker("run", "--rm", "--privileged", self.image, "true", check=False)
        eventually(lambda: not [c for c in cgroups() if len(c.split("/")[-1]) == 64], "no cgroup left")
        self.assertEqual(self.containers_of_runtime(), [])

    def test_killed_runtime_leaves_nothing(self):
        """SIGKILL of the runtime at any moment of `create`; the engine cleans up or can."""
        for delay in ("0.2", "0.23", "0.26", "0.3"):
            process = subprocess.Popen([*self.client(), "run", "--rm", "--name", self.name(delay), self.image, "sleep", "5"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(float(delay))
            except subprocess.TimeoutExpired:
                pass
            for pid in self.runtimes():
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            self.docker("rm", "-f", self.name(delay), check=False)
            process.wait(60)
        eventually(lambda: not [c for c in cgroups() if len(c.split("/")[-1]) == 64], "no cgroup left")
        self.assertEqual(self.containers_of_runtime(), [])


class Leftovers(DockerCase):
    def test_a_removed_container_leaves_nothing(self):
        def mounts():
            with open("/proc/self/mountinfo", encoding="utf-8") as file:
                return len(file.readlines())
        before = mounts()
        for suffix in ("-a", "-b", "-c"):
            self.daemon("sleep", "1000", suffix=suffix, options=("-v", "/data", "--tmpfs", "/t"))
        self.docker("rm", "-fv", *(self.name(s) for s in ("-a", "-b", "-c")))
        eventually(lambda: mounts() == before, "the mount table as before")
        eventually(lambda: not [c for c in cgroups() if len(c.split("/")[-1]) == 64], "no cgroup left")
        self.assertEqual(self.containers_of_runtime(), [])
        if IS_GABION:
            self.assertEqual([name for name in os.listdir("/run/gabion/ids") if not name.startswith(".")], [])
