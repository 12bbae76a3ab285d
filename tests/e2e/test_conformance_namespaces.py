"""A specification run as given: containers that own their namespaces, and what runc and crun do too."""

import errno
import json
import os
import socket
import threading
import unittest

from runtime import ALL_CAPABILITIES, Case, only_gabion


def own_user_namespace(base=300000, size=65536):
    def edit(document):
        document["linux"]["namespaces"].append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": base, "size": size}]
        document["linux"]["uidMappings"] = document["linux"]["gidMappings"] = mapping
        document["process"]["capabilities"] = {
            name: list(ALL_CAPABILITIES) for name in ("bounding", "effective", "permitted")}
    return edit


class AsGiven(Case):
    policy = "passthrough"

    def test_a_container_owns_its_namespaces(self):
        """What an owner may do: mount, name the host, set a sysctl of its network."""
        done = self.script("cat /proc/self/uid_map; mount -t tmpfs none /tmp && echo mounted; "
                           "hostname inner && hostname; stat -c %u:%g /dev/null /dev/pts /tmp; "
                           "echo x > /dev/null && echo written", edit=own_user_namespace())
        self.assertEqual(done.lines[0].split(), ["0", "300000", "65536"])
        self.assertEqual(done.lines[1:], ["mounted", "inner", "0:0", "0:0", "0:0", "written"])

    def test_devices_of_a_user_namespace_have_their_owner_and_mode(self):
        def edit(document):
            own_user_namespace()(document)
            document["linux"]["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 3,
                                             "fileMode": 0o640, "uid": 10, "gid": 11}]
        done = self.script("stat -c '%a %u:%g %t:%T' /dev/own; cat /dev/own && echo opened", edit=edit)
        self.assertEqual(done.lines, ["640 10:11 1:3", "opened"])

    def test_exec_enters_a_user_namespace_whose_proc_is_masked(self):
        name = self.running("sleep", "1000", edit=own_user_namespace())
        done = self.execute(name, "sh", "-c", "cat /proc/self/uid_map; id -u")
        self.assertEqual(done.lines[0].split(), ["0", "300000", "65536"])
        self.assertEqual(done.lines[1], "0")

    def test_attributes_that_only_the_host_may_raise(self):
        done = self.inside("sh", "-c", "cat /proc/self/oom_score_adj; ulimit -n", edit=own_user_namespace(),
                           oomScoreAdj=100, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 333, "hard": 444}])
        self.assertEqual(done.lines, ["100", "333"])

    def test_copy_up(self):
        def edit(document):
            document["mounts"].append({"destination": "/var/www", "type": "tmpfs", "source": "tmpfs",
                                       "options": ["tmpcopyup"]})
        name, bundle = self.bundle("sh", "-c", "cat /var/www/page; readlink /var/www/link; stat -c '%a %u' "
                                   "/var/www/deep/file; ls /var/www; echo new > /var/www/page", edit=edit)
        www = bundle + "/rootfs/var/www"
        os.symlink("/etc/shadow", www + "/link")
        os.mkdir(www + "/deep")
        with open(www + "/deep/file", "w", encoding="utf-8") as file:
            file.write("x")
        os.chmod(www + "/deep/file", 0o4711)
        os.chown(www + "/deep/file", 5, 6)
        os.chmod(www + "/deep/file", 0o4711)
        done = self.gabion("run", "--bundle", bundle, name)
        self.assertEqual(done.lines, ["from the image", "/etc/shadow", "4711 5", "deep", "link", "page"])
        with open(www + "/page", encoding="utf-8") as file:
            self.assertEqual(file.read(), "from the image\n")

    def test_sysctls_of_the_host_are_refused(self):
        for key, without, words in (("net.ipv4.ip_forward", "network", "host network namespace"),
                                    ("kernel.msgmax", "ipc", "hosts ipc namespace"),
                                    ("kernel.hostname", None, "conflicts"),
                                    ("kernel.panic", None, "not in a separate kernel namespace")):
            def edit(document, key=key, without=without):
                document["linux"]["sysctl"] = {key: "1"}
                document["linux"]["namespaces"] = [entry for entry in document["linux"]["namespaces"]
                                                   if entry["type"] != without]
            with self.subTest(key):
                self.refused(self.inside("true", edit=edit, check=False), key, words)

    def test_the_callers_mounts_are_never_the_containers(self):
        """Without a mount namespace of its own a container's root would become the host's."""
        def without(document):
            document["linux"]["namespaces"] = [entry for entry in document["linux"]["namespaces"]
                                               if entry["type"] != "mount"]
            document["linux"]["maskedPaths"] = document["linux"]["readonlyPaths"] = []
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            before = file.read()
        self.refused(self.inside("true", edit=without, check=False), "mount namespace")

        def joined(document):
            without(document)
            document["linux"]["namespaces"].append({"type": "mount", "path": "/proc/self/ns/mnt"})
        self.refused(self.inside("true", edit=joined, check=False), "mount namespace")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertEqual(file.read(), before)

    def test_home_comes_from_the_image(self):
        for uid, home in ((0, "/root"), (1000, "/home"), (4242, "/")):
            done = self.script("echo $HOME", env=["PATH=/bin"], user={"uid": uid, "gid": uid})
            self.assertEqual(done.out, home)

    def test_a_filter_without_no_new_privs_for_a_plain_user(self):
        done = self.script("id -u; grep Seccomp: /proc/self/status", user={"uid": 1000, "gid": 1000})
        self.assertEqual(done.out.split(), ["1000", "Seccomp:", "2"])

    def test_rootfs_propagation(self):
        def edit(document):
            document["linux"]["rootfsPropagation"] = "shared"
        self.assertIn(" shared:", self.script("grep ' / / \\| / ' /proc/self/mountinfo | head -1", edit=edit).out)

    def test_memory_policy(self):
        def edit(document):
            document["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
        if not os.path.exists("/proc/self/numa_maps"):
            self.skipTest("a kernel without NUMA")
        self.assertIn(" bind:0 ", self.script("cat /proc/self/numa_maps", edit=edit).out)

    def test_seccomp_listener(self):
        path = self.work + "/listener"
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen(1)
        server.settimeout(20)
        got = {}

        def serve():
            peer, _ = server.accept()
            text, descriptors, _, _ = socket.recv_fds(peer, 65536, 4)
            got["state"] = json.loads(text)
            got["descriptors"] = len(descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            peer.close()
        thread = threading.Thread(target=serve)
        thread.start()

        def edit(document):
            document["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path,
                                            "listenerMetadata": "told"}
        self.inside("true", edit=edit)
        thread.join()
        server.close()
        self.assertEqual(got["descriptors"], 1)
        self.assertEqual(got["state"]["fds"], ["seccompFd"])
        self.assertEqual(got["state"]["metadata"], "told")
        self.assertEqual(got["state"]["pid"], got["state"]["state"]["pid"])

    def test_a_failed_poststart_hook_ends_the_container(self):
        def edit(document):
            document["hooks"] = {"poststart": [{"path": "/bin/false"}]}
        name = self.created("sleep", "1000", edit=edit)
        self.refused(self.gabion("start", name, check=False), "poststart")
        self.refused(self.gabion("state", name, check=False), "does not exist")

    @only_gabion
    def test_the_binary_is_out_of_reach(self):
        """CVE-2019-5736: what /proc/PID/exe gives away cannot be written, not even by the host's root."""
        name = self.created("true")
        pid = self.state(name)["pid"]
        self.assertEqual(os.readlink(f"/proc/{pid}/exe"), "/")
        binary = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
        try:
            self.gabion("delete", "--force", name)
            with self.assertRaises(OSError) as caught:
                os.close(os.open(f"/proc/self/fd/{binary}", os.O_WRONLY))
            self.assertEqual(caught.exception.errno, errno.EROFS)
        finally:
            os.close(binary)

    @only_gabion
    def test_the_binary_needs_no_copy_in_a_user_namespace(self):
        name = self.created("true", edit=own_user_namespace())
        self.assertNotEqual(os.readlink(f"/proc/{self.state(name)['pid']}/exe"), "/")


if __name__ == "__main__":
    unittest.main()
