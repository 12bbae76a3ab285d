"""Docker: what a container shares with the world: networks, names, volumes, binds, tmpfs."""

import os
import shutil
import tempfile

from engine import BRIDGE, DockerCase, eventually, only_gabion


class Network(DockerCase):
    SERVE = ("sh", "-c", "mkdir /tmp/www && hostname > /tmp/www/index.html && exec httpd -f -p 80 -h /tmp/www")

    def test_published_port(self):
        name = self.daemon(*self.SERVE, options=("-p", "18080:80", "--hostname", "quarry"))
        for address in (BRIDGE, "127.0.0.1"):
            eventually(lambda: self.fetch(f"http://{address}:18080/") == "quarry\n", f"a page through {address}")
        self.assert_hardened(name)

    def test_published_port_after_restart(self):
        name = self.daemon("sh", "-c", "mkdir -p /tmp/www && echo again > /tmp/www/index.html && "
                           "exec httpd -f -p 80 -h /tmp/www", options=("-p", "18081:80"))
        self.docker("restart", "-t", "0", name)
        eventually(lambda: self.fetch(f"http://{BRIDGE}:18081/") == "again\n", "a page after restart")

    def test_default_bridge(self):
        lines = self.sh("ip -4 -o addr show eth0; ip route; cat /etc/resolv.conf; ip -o link show lo").out
        self.assertIn("10.213.7.", lines)
        self.assertIn(f"default via {BRIDGE} dev eth0", lines)
        self.assertIn("nameserver 192.0.2.53", lines)
        self.assertIn("LOOPBACK,UP", lines)

    def test_dns_and_hosts_options(self):
        result = self.sh("cat /etc/resolv.conf /etc/hosts", "--dns", "198.51.100.7", "--dns-search", "quarry.test",
                         "--add-host", "stone:198.51.100.8")
        self.assertIn("nameserver 198.51.100.7", result.out)
        self.assertIn("search quarry.test", result.out)
        self.assertIn("198.51.100.8\tstone", result.out)

    def test_names_on_a_user_network(self):
        network = self.network()
        server = self.daemon(*self.SERVE, suffix="-server", options=("--network", network))
        result = self.sh(f"cat /etc/resolv.conf; until wget -q -O - http://{server}/; do sleep 0.2; done",
                         "--network", network)
        self.assertIn("nameserver 127.0.0.11", result.out)
        self.assertIn(self.docker("exec", server, "hostname").out, result.out.splitlines())

    def test_connecting_a_running_container(self):
        network = self.network()
        name = self.daemon("sleep", "1000")
        self.docker("network", "connect", network, name)
        self.assertIn("eth1", self.docker("exec", name, "ip", "-o", "link").out)
        self.docker("network", "disconnect", network, name)
        self.assertNotIn("eth1", self.docker("exec", name, "ip", "-o", "link").out)

    def test_no_network(self):
        self.assertEqual(self.sh("ip -o link | grep -v ' lo:' | grep -c UP; ip -o link show lo",
                                 "--network", "none").out.split("\n")[0], "0")

    def test_low_port_as_a_user(self):
        """Port 80 without root, as Docker's network namespaces allow since 20.10."""
        name = self.daemon(*self.SERVE, options=("--user", "1000", "-p", "18082:80"))
        eventually(lambda: self.fetch(f"http://{BRIDGE}:18082/"), "a page")
        self.assertEqual(self.docker("exec", name, "id", "-u").out, "1000")

    def test_ping(self):
        """An ICMP socket without NET_RAW (icmp(7)), as iputils' ping opens it."""
        script = ("import socket\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)\n"
                  "s.settimeout(5)\n"
                  f"s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b'stone', ('{BRIDGE}', 0))\n"
                  "print(s.recv(100)[8:])\n")
        result = self.docker("run", "--rm", "--user", "1000", self.load("python"), "python3", "-c", script)
        self.assertEqual(result.out, "b'stone'")


class Files(DockerCase):
    def setUp(self):
        super().setUp()
        here = tempfile.mkdtemp(dir=self.path("/srv"))
        self.addCleanup(shutil.rmtree, here)
        os.chmod(here, 0o755)
        self.shared = "/srv/" + os.path.basename(here)

    def put(self, name, text, uid=0, gid=0, mode=0o644):
        """A file in the shared directory: its path, as the daemon knows it."""
        path = os.path.join(self.shared, name)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(self.path(path), uid, gid)
        os.chmod(self.path(path), mode)
        return path

    def owner(self, *names):
        info = os.stat(self.path(os.path.join(*names)))
        return info.st_uid, info.st_gid

    def test_bind_shows_the_same_owners_on_both_sides(self):
        self.put("root", "r")
        self.put("app", "a", 1000, 1000, 0o600)
        self.put("other", "o", 4321, 8765)
        out = self.sh("cd /shared && stat -c '%n %u:%g %a' app other root", "-v", f"{self.shared}:/shared").out
        self.assertEqual(out.splitlines(), ["app 1000:1000 600", "other 4321:8765 644", "root 0:0 644"])
        self.sh("cd /shared && echo x > by-root && echo x > by-app && chown 1000:29 by-app && mkdir d && chown 33 d",
                "-v", f"{self.shared}:/shared")
        self.assertEqual(self.owner(self.shared, "by-root"), (0, 0))
        self.assertEqual(self.owner(self.shared, "by-app"), (1000, 29))
        self.assertEqual(self.owner(self.shared, "d"), (33, 0))

    def test_bind_as_a_user(self):
        os.chown(self.path(self.shared), 1000, 1000)
        self.put("secret", "s", 0, 0, 0o600)
        result = self.sh("echo mine > /shared/mine; cat /shared/secret; true", "-v", f"{self.shared}:/shared",
                         "--user", "1000:1000")
        self.assertIn("ermission denied", result.err)
        self.assertEqual(self.owner(self.shared, "mine"), (1000, 1000))

    def test_bind_read_only(self):
        result = self.sh("echo x > /shared/x", "-v", f"{self.shared}:/shared:ro", check=False)
        self.assertNotEqual(result.code, 0)
        self.assertIn("ead-only file system", result.err)
        self.assertEqual(os.listdir(self.path(self.shared)), [])

    def test_bind_of_one_file(self):
        path = self.put("config", "before\n")
        name = self.daemon("sleep", "1000", options=("-v", f"{path}:/etc/deep/down/config"))
        self.assertEqual(self.docker("exec", name, "cat", "/etc/deep/down/config").out, "before")
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write("after\n")
        self.assertEqual(self.docker("exec", name, "cat", "/etc/deep/down/config").out, "after")

    def test_bind_of_a_missing_source(self):
        result = self.docker("run", "--rm", "--mount", f"type=bind,source={self.shared}/none,target=/x", self.image, "true",
                        check=False)
        self.assertNotEqual(result.code, 0)

    @only_gabion
    def test_bind_is_not_executable(self):
        shutil.copy("/bin/busybox", self.path(self.shared) + "/true")
        result = self.sh("/shared/true", "-v", f"{self.shared}:/shared", check=False)
        self.assertEqual(result.code, 126, result)

    def test_volume_keeps_its_data(self):
        volume = self.volume()
        self.sh("echo kept > /data/file && chown 1000:1000 /data/file", "-v", f"{volume}:/data")
        self.assertEqual(self.sh("cat /data/file; stat -c %u:%g /data/file", "-v", f"{volume}:/data").out.split(),
                         ["kept", "1000:1000"])
        path = self.docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume).out
        self.assertEqual(self.owner(path, "file"), (1000, 1000))

    def test_new_volume_takes_the_image_content(self):
        volume = self.volume()
        out = self.sh("cat /seed/data/seeded; stat -c '%u:%g' /seed/data /seed/data/seeded; id -u; "
                      "echo more > /seed/data/more", "-v", f"{volume}:/seed/data", "--user", "1000").out
        self.assertEqual(out.splitlines(), ["from the image", "1000:1000", "1000:1000", "1000"])
        self.assertEqual(self.sh("ls /v", "-v", f"{volume}:/v:ro").out.split(), ["more", "seeded"])

    def test_volume_shared_by_two(self):
        volume = self.volume()
        writer = self.daemon("sh", "-c", "umask 0; echo hello > /data/f; sleep 1000", options=("-v", f"{volume}:/data"))
        eventually(lambda: self.docker("exec", writer, "cat", "/data/f", check=False).out == "hello", "written")
        out = self.sh("cat /data/f; stat -c %u /data/f; echo back >> /data/f", "--volumes-from", writer).out
        self.assertEqual(out.split(), ["hello", "0"])
        self.assertEqual(self.docker("exec", writer, "cat", "/data/f").out.split(), ["hello", "back"])

    def test_tmpfs(self):
        script = ("grep ' /scratch ' /proc/mounts; echo x > /scratch/x && cat /scratch/x; "
                  "dd if=/dev/zero of=/scratch/big bs=1024 count=2048 2>&1; stat -c %a /scratch")
        out = self.sh(script, "--tmpfs", "/scratch:size=1m,mode=1770").out
        self.assertIn("size=1024k", out)
        self.assertIn("\nx\n", out)
        self.assertIn("No space left", out)
        self.assertTrue(out.endswith("1770"), out)

    def test_tmpfs_for_a_user(self):
        out = self.sh("echo x > /scratch/x; stat -c %u:%g /scratch /scratch/x", "--user", "1000:1000",
                      "--mount", "type=tmpfs,target=/scratch").out
        self.assertEqual(out.splitlines()[-1], "1000:1000")

    def test_read_only_root(self):
        result = self.sh("echo x > /etc/x", "--read-only", check=False)
        self.assertIn("ead-only file system", result.err)

    def test_image_directories_are_writable_where_images_write(self):
        out = self.sh("for d in /tmp /var/tmp /run /var/log; do echo x > $d/x && echo $d; done; "
                      "cat /var/log/of-the-image; rm /var/log/of-the-image; ls /var/log").out
        self.assertEqual(out.splitlines(), ["/tmp", "/var/tmp", "/run", "/var/log", "from the image", "x"])

    def test_devices(self):
        out = self.sh("for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done; "
                      "head -c 3 /dev/zero | wc -c; echo x > /dev/null; ls -l /dev/fd /dev/ptmx").out.splitlines()
        self.assertEqual(out[:7], ["null", "zero", "full", "random", "urandom", "tty", "3"])

    def test_device_numbers_are_not_a_way_out(self):
        result = self.sh("mknod /tmp/d b 8 0 && cat /tmp/d", check=False)
        self.assertNotEqual(result.code, 0)
        root = os.stat("/").st_dev
        result = self.sh(f"mknod /tmp/d b {os.major(root)} {os.minor(root)} && head -c 1 /tmp/d", check=False)
        self.assertNotEqual(result.code, 0)
