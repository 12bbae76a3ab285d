"""The configuration in integration/ is what the engines read, and `make install` places it."""

import json
import os
import re
import subprocess
import tempfile
import tomllib
import unittest

from engine import IS_GABION, RUNTIME, SOURCE, run


class IntegrationFiles(unittest.TestCase):
    def path(self, name):
        return os.path.join(SOURCE, "integration", name)

    def test_containerd_1_6_reads_the_drop_in(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write(f'version = 2\nimports = ["{self.path("containerd/gabion-v2.toml")}"]\n')
            config.flush()
            dump = tomllib.loads(run("containerd", "--config", config.name, "config", "dump").out)
        runtimes = dump["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]
        self.assertEqual({name: runtime["runtime_type"] for name, runtime in runtimes.items()},
                         {"gabion": "io.containerd.gabion.v2", "runc": "io.containerd.runc.v2"})

    def test_containerd_2_form(self):
        with open(self.path("containerd/gabion-v3.toml"), "rb") as file:
            config = tomllib.load(file)
        self.assertEqual(config["version"], 3)
        runtimes = config["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
        self.assertEqual(runtimes["gabion"]["runtime_type"], "io.containerd.gabion.v2")
        self.assertEqual(runtimes["gabion-userns"]["runtime_path"], "/usr/local/bin/containerd-shim-gabion-v2")
        with open(self.path("kubernetes/runtimeclass.yaml"), encoding="utf-8") as file:
            handlers = re.findall(r"^handler: (\S+)$", file.read(), re.MULTILINE)
        self.assertEqual(sorted(handlers), sorted(runtimes))

    @unittest.skipUnless(IS_GABION, "installs the gabion under test")
    def test_install_into_a_directory(self):
        with tempfile.TemporaryDirectory() as destination:
            subprocess.run([self.path("install.sh"), os.path.dirname(RUNTIME), destination, "/opt/g"], check=True,
                           stdout=subprocess.DEVNULL)
            binary = os.path.join(destination, "opt/g/bin/gabion")
            self.assertIn("runc version", run(binary, "--version").out)
            self.assertIn("Version:", run(os.path.dirname(binary) + "/containerd-shim-gabion-v2", "-v").out)
            with open(os.path.join(destination, "opt/g/share/gabion/docker/daemon.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["runtimes"]["gabion"]["path"], "/opt/g/bin/gabion")
            with open(os.path.join(destination, "opt/g/share/gabion/docker/daemon-shim.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["runtimes"]["gabion"]["runtimeType"], "io.containerd.gabion.v2")
            with open(os.path.join(destination, "opt/g/share/gabion/containerd/gabion-v3.toml"), encoding="utf-8") as file:
                self.assertIn('"/opt/g/bin/containerd-shim-gabion-v2"', file.read())
            self.assertTrue(os.path.getsize(os.path.join(destination, "opt/g/share/gabion/kubernetes/runtimeclass.yaml")))
            self.assertEqual(os.listdir(os.path.join(destination, "etc/gabion")), [])
            for page in ("README.md", "LICENSE", "CHANGELOG.md"):
                self.assertTrue(os.path.getsize(os.path.join(destination, "opt/g/share/doc/gabion", page)))
