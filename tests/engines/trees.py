"""Newer containerds than Debian 12's, each from its own Debian release, in a root file system of that release."""

import os
import subprocess
import tempfile

from engine import CONTAINERD, GROUP, RUNTIME, eventually, run

# A mount namespace whose root is the tree; the runtime's programs and the image are bound into it. The directory of
# id ranges is the node's: two containers share no id, whoever made them. It lasts as long as the tree, whatever happens
# to containerd, whose pods have mounts in it.
ENTER = r"""
tree=$1; programs=$2; image=$3
mount --bind "$tree" "$tree"
cd "$tree"
mkdir -p run sys proc dev programs old
for name in proc sys dev; do mount --rbind /$name $name; done
mkdir -p run/gabion /run/gabion
mount --bind /run/gabion run/gabion
mount --bind "$programs" programs
touch image.tar
mount --bind "$image" image.tar
pivot_root . old
umount --lazy /old
exec sleep infinity
"""


class Tree:
    """containerd of a release. Its ctr is asked in there, too."""

    NAMESPACES = ("--mount",)  # of its own

    def __init__(self, node, suite, config=CONTAINERD):
        self.node, self.suite = node, suite
        self.directory = tempfile.mkdtemp(prefix=f"tree-{suite}.", dir=node.work)
        run("tar", "-C", self.directory, "--numeric-owner", "-xpf", node.releases[suite])
        with open(self.directory + "/containerd.toml", "w", encoding="utf-8") as file:
            file.write(config)
        self.log = open(f"{node.work}/{suite}.log", "ab")  # pylint: disable=consider-using-with
        self.process = None
        self.holder = subprocess.Popen(
            ["unshare", *self.NAMESPACES, "--propagation", "private", "sh", "-ec", ENTER, "sh", self.directory,
             os.path.dirname(RUNTIME), node.archives["busybox"]],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        # Not sooner: before that it is in the node, with the node's containerd.
        eventually(lambda: self.program() == "sleep", f"the tree of {suite}")
        self.root = f"/proc/{self.holder.pid}/root"

    def start(self):
        self.process = subprocess.Popen(
            self.enter("env", "PATH=/programs:/usr/sbin:/usr/bin", "containerd", "--config", "/containerd.toml"),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"containerd of {self.suite} ended with {self.process.returncode}:\n{self.text()}")
            return self.ctr("version", check=False).code == 0
        eventually(ready, f"containerd of {self.suite}")

    def text(self):
        """The end of containerd's log."""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def program(self):
        with open(f"/proc/{self.holder.pid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def enter(self, *command):
        """The words that run a command in there."""
        return ("nsenter", "-t", str(self.holder.pid), *self.NAMESPACES, *command)

    def path(self, path):
        """A path in there, as it is found from outside."""
        return self.root + path

    def ctr(self, *arguments, namespace=GROUP, **options):
        return run(*self.enter("/usr/bin/ctr", "--namespace", namespace, *arguments), **options)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def remove(self):
        if self.process:
            self.stop()
        self.holder.kill()
        self.holder.wait()
        self.log.close()
        run("rm", "-rf", "--one-file-system", self.directory)
