"""Newer containerds than Debian 12's, each from its own Debian release, in a root file system of that release."""

import os
import subprocess
import tempfile

from engine import GROUP, RUNTIME, eventually, run

# A mount namespace whose root is the tree; the runtime's programs and the image are bound into it. The directory of
# id ranges is the node's: two containers share no id, whoever made them.
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
printf 'version = 2\noom_score = 0\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' > /containerd.toml
export PATH=/programs:/usr/sbin:/usr/bin
exec containerd --config /containerd.toml
"""


class Tree:
    """containerd of a release. Its ctr is asked in there, too."""

    NAMESPACES = ("--mount",)  # of its own

    def __init__(self, node, suite):
        self.node, self.suite = node, suite
        self.directory = tempfile.mkdtemp(prefix=f"tree-{suite}.", dir=node.work)
        run("tar", "-C", self.directory, "--numeric-owner", "-xpf", node.releases[suite])
        self.process = None
        self.log = open(f"{node.work}/{suite}.log", "ab")  # pylint: disable=consider-using-with

    def start(self):
        self.process = subprocess.Popen(
            ["unshare", *self.NAMESPACES, "--propagation", "private", "sh", "-ec", ENTER, "sh", self.directory,
             os.path.dirname(RUNTIME), self.node.archives["busybox"]],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        # Not sooner: before that it is in the node, with the node's containerd.
        eventually(lambda: self.program() == "containerd", f"containerd of {self.suite}")
        eventually(lambda: self.ctr("version", check=False).code == 0, f"containerd of {self.suite}")

    def program(self):
        with open(f"/proc/{self.process.pid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def enter(self, *command):
        """The words that run a command in there."""
        return ("nsenter", "-t", str(self.process.pid), *self.NAMESPACES, *command)

    def path(self, path):
        """A path in there, as it is found from outside."""
        return f"/proc/{self.process.pid}/root{path}"

    def ctr(self, *arguments, **options):
        return run(*self.enter("/usr/bin/ctr", "--namespace", GROUP, *arguments), **options)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def remove(self):
        self.stop()
        self.log.close()
        run("rm", "-rf", "--one-file-system", self.directory)
