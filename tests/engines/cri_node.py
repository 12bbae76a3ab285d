"""Nodes whose containerd serves the CRI, with the runtime of integration/containerd and a network for the pods."""

import json
import os
import shutil
import tarfile

import images
import trees
from engine import SOURCE, ctr, enter_node, run

NAMESPACE = "k8s.io"
PAUSE = "docker.io/library/pause:test"
DROP_IN = os.path.join(SOURCE, "integration/containerd")

# In place of what needs CAP_SYS_RESOURCE, which a CI machine may not have; and where Debian has CNI's plug-ins.
V2 = f"""version = 2
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
"""
V3 = f"""version = 3
oom_score = 0
imports = ["/etc/containerd/gabion-v3.toml"]
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
"""


def second_policy():
    """The runtime `gabion-strict`, as the drop-ins' README has it for containerd 1.x."""
    with open(DROP_IN + "/README.md", encoding="utf-8") as file:
        text = file.read().split("## A second policy")[1].split("\n## ")[0]
    return "".join(line + "\n" for line in text.splitlines() if line.startswith("    "))


def config_v2():
    """The drop-in's table copied into the configuration, as its README says for containerd 1.x."""
    with open(DROP_IN + "/gabion-v2.toml", encoding="utf-8") as file:
        return V2 + file.read().replace("version = 2\n", "") + second_policy()


def config_v3():
    return V3 + second_policy().replace('"io.containerd.grpc.v1.cri"', "'io.containerd.cri.v1.runtime'")


def write_network(root, number):
    """A bridge in the node's network, a subnet for each containerd."""
    os.makedirs(root + "/etc/cni/net.d", exist_ok=True)
    with open(root + "/etc/cni/net.d/10-pods.conflist", "w", encoding="utf-8") as file:
        json.dump({"cniVersion": "0.4.0", "name": "pods", "plugins": [
            {"type": "bridge", "bridge": f"cni{number}", "isGateway": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": f"10.214.{number}.0/24"}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}}]}, file)


def pause_archive(node):
    """busybox as a pod's first container: an image that does nothing for as long as it is let."""
    path = os.path.join(node.work, "pause.tar")
    if not os.path.exists(path):
        with tarfile.open(node.archives["busybox"]) as archive:
            names = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
            archive.extractall(node.work + "/layers", members=[archive.getmember(name) for name in names])
        images.write_archive(path, "pause:test", [f"{node.work}/layers/{name}" for name in names],
                             {"Cmd": ["sleep", "1000000000"]})
    return path


class Debian12:
    """containerd 1.6 of the node itself."""

    root = ""

    def __init__(self):
        self.node = enter_node()
        self.pid = os.getpid()
        for name in ("dockerd", "containerd"):  # of other tests, without the CRI
            self.node.stop_process(name)
        write_network("", 6)
        if not os.path.ismount("/var/lib/kubelet"):  # not on the overlay that is the node's /var/lib
            for path in (self.node.work + "/kubelet", "/var/lib/kubelet"):
                os.makedirs(path, exist_ok=True)
            run("mount", "--bind", self.node.work + "/kubelet", "/var/lib/kubelet")

    def start(self, tracer=()):
        self.node.start_containerd(config_v2(), tracer)

    def stop(self):
        self.node.stop_process("containerd")

    def remove(self):
        self.stop()

    def text(self):
        return self.node.log("containerd")

    def ctr(self, *arguments):
        return ctr(*arguments, namespace=NAMESPACE)

    def import_images(self):
        for archive in (self.node.archives["busybox"], pause_archive(self.node)):
            self.ctr("image", "import", archive)


class Release:
    """containerd of a newer release, in its tree."""

    def __init__(self, suite, number, config, drop_ins=()):
        self.node = enter_node()
        self.tree = trees.Tree(self.node, suite, config)
        self.root, self.pid = self.tree.root, self.tree.holder.pid
        write_network(self.root, number)
        for name in drop_ins:
            shutil.copy(os.path.join(DROP_IN, name), self.root + "/etc/containerd")
        self.start, self.stop, self.remove, self.text = self.tree.start, self.tree.stop, self.tree.remove, self.tree.text

    def ctr(self, *arguments):
        return self.tree.ctr(*arguments, namespace=NAMESPACE)

    def import_images(self):
        shutil.copy(pause_archive(self.node), self.root + "/pause.tar")
        for archive in ("/image.tar", "/pause.tar"):
            self.ctr("image", "import", archive)


def trixie():
    return Release("trixie", 7, config_v2())


def testing():
    host = Release("testing", 21, config_v3(), ["gabion-v3.toml"])
    # Where the drop-in says that it is installed.
    os.symlink("/programs/containerd-shim-gabion-v2", host.root + "/usr/local/bin/containerd-shim-gabion-v2")
    return host
