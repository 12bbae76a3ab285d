"""Docker of a newer Debian release, which knows shims by their names, beside that release's containerd."""

import glob
import json
import os
import shutil
import subprocess

import trees
from engine import BRIDGE, GROUP, SOURCE, DockerCase, cgroups, eventually, run

# What integration/docker tells an administrator to install, and what its README says of a second policy.
CONFIGURATION = os.path.join(SOURCE, "integration/docker/daemon-shim.json")
STRICTER = {"runtimeType": "io.containerd.gabion.v2", "options": {"ConfigPath": "/etc/gabion/stricter.json"}}


class DockerTree(trees.Tree):
    """A tree with a network of its own, where another dockerd may have the bridge's address."""

    NAMESPACES = ("--mount", "--net")

    def __init__(self, node, suite):
        super().__init__(node, suite)
        self.daemon = None

    def start(self):
        super().start()
        run(*self.network("ip", "link", "set", "lo", "up"))
        shutil.copy("/bin/busybox", self.path("/usr/bin/ps"))  # which `docker top` runs
        self.write("/etc/resolv.conf", "nameserver 192.0.2.53\nsearch gabion.test\n")
        with open(CONFIGURATION, encoding="utf-8") as file:
            config = json.load(file)
        config["runtimes"]["stricter"] = STRICTER
        config["default-runtime"] = "gabion"
        self.write("/etc/docker/daemon.json", json.dumps(config))
        self.start_daemon()
        self.docker("load", "-i", "/image.tar")

    def network(self, *command):
        """The words that run a command of the host's in the tree's network."""
        return ("nsenter", "-t", str(self.holder.pid), "--net", *command)

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)

    def start_daemon(self):
        self.daemon = subprocess.Popen(
            self.enter("dockerd", "--containerd", "/run/containerd/containerd.sock", "--bip", f"{BRIDGE}/24",
                       "--cgroup-parent", "/" + GROUP, "--default-address-pool", "base=10.213.64.0/18,size=24",
                       "--shutdown-timeout", "5", "--live-restore"),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            eventually(lambda: self.docker("version", check=False).code == 0 or self.daemon.poll() is not None,
                       f"dockerd of {self.suite}", 60)
            self.docker("version")
        except AssertionError as error:
            with open(self.log.name, encoding="utf-8", errors="replace") as file:
                raise AssertionError(f"{error}\n{file.read()[-4000:]}") from None

    def stop_daemon(self):
        self.daemon.terminate()
        self.daemon.wait(30)

    def stop(self):
        self.stop_daemon()
        super().stop()

    def docker(self, *arguments, **options):
        return run(*self.client(), *arguments, **options)

    def client(self):
        return self.enter("/usr/bin/docker")

    def shims(self):
        """Pids of gabion's shims in there, and of their workers."""
        found = []
        for path in glob.glob("/proc/[0-9]*"):
            try:
                with open(path + "/cmdline", "rb") as file:
                    program = os.path.basename(file.read().split(b"\0")[0])
                if program == b"containerd-shim-gabion-v2" and \
                        os.readlink(path + "/ns/mnt") == os.readlink(f"/proc/{self.holder.pid}/ns/mnt"):
                    found.append(int(os.path.basename(path)))
            except OSError:  # it has ended
                pass
        return sorted(found)


class DockerOfTree(DockerCase):
    """DockerCase's answers for a tree, which is the class's `tree`."""

    RUNTIME_STATE = "/run/gabion/containerd/moby"
    tree = None

    @classmethod
    def load(cls, name):
        return name + ":test"  # the one there is

    @classmethod
    def client(cls):
        return cls.tree.client()

    @classmethod
    def path(cls, path):
        return cls.tree.path(path)

    @classmethod
    def get(cls, url):
        script = f"import sys, urllib.request as r; sys.stdout.write(r.urlopen('{url}', timeout=5).read().decode() + '.')"
        done = run(*cls.tree.network("python3", "-c", script), check=False)
        if done.code:
            raise OSError(done.err)
        return done.out.removesuffix(".")  # run() takes away a final newline

    def _remove(self):
        """Nothing is left when the last container is gone."""
        super()._remove()
        eventually(lambda: not self.tree.shims(), "no shim left")
        self.assertEqual(self.containers_of_runtime(), [])
        self.assertEqual(os.listdir("/run/gabion/s"), [])
        self.assertEqual([name for name in os.listdir("/run/gabion/ids") if not name.startswith(".")], [])
        self.assertEqual([path for path in cgroups() if os.path.basename(path) != GROUP], [])
        with open(f"/proc/{self.tree.holder.pid}/mountinfo", encoding="utf-8") as file:
            mounts = file.read()
        self.assertNotIn("/overlay2/", mounts)
        self.assertNotIn("/moby/", mounts)
