"""A profile recorded from an image's bundle, pinned by the node's policy, and given to Docker as its own."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile

import images
from engine import GROUP, RUNTIME, DockerCase, docker, eventually, only_gabion, run

# The 14 that Docker gives.
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
    "KILL AUDIT_WRITE").split()]


def unpack(archive, directory):
    """The root file system and the configuration of an image that images.py made."""
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json"))[0]
        config = json.load(image.extractfile(manifest["Config"]))["config"]
        for layer in manifest["Layers"]:
            with subprocess.Popen(["tar", "-C", directory, "--numeric-owner", "-xpf", "-"],
                                  stdin=subprocess.PIPE) as process:
                shutil.copyfileobj(image.extractfile(layer), process.stdin)
            if process.returncode:
                raise RuntimeError(f"tar: exit {process.returncode}")
    return config


@only_gabion
class Profiles(DockerCase):
    def setUp(self):
        super().setUp()
        self.bundle = os.path.join(self.node.work, "bundle-" + self.base)
        self.profile = self.bundle + "/profile.json"
        self.policy = "/etc/gabion/policy.json"
        os.makedirs(self.bundle + "/rootfs")
        os.makedirs("/etc/gabion", exist_ok=True)
        self.addCleanup(shutil.rmtree, self.bundle)
        self.addCleanup(lambda: os.path.exists(self.policy) and os.unlink(self.policy))

    def prepare(self, image, *command):
        """The image's own command, as Docker would ask for it."""
        config = unpack(images.debian(image), self.bundle + "/rootfs")
        run(RUNTIME, "spec", "--bundle", self.bundle)
        with open(self.bundle + "/config.json", encoding="utf-8") as file:
            spec = json.load(file)
        sets = ("bounding", "effective", "permitted")
        spec["process"].update(terminal=False, cwd=config.get("WorkingDir") or "/",
                               args=list(command) or config.get("Entrypoint", []) + config["Cmd"],
                               env=config["Env"] + ["HOME=/root"], capabilities=dict.fromkeys(sets, CAPABILITIES))
        spec["process"].pop("rlimits", None)
        spec["root"]["readonly"] = False
        spec["linux"]["cgroupsPath"] = f"/{GROUP}/{self.base}"
        with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
            json.dump(spec, file)

    def record(self, page, stop):
        """Records until the page at this address of the container's own loopback has been served."""
        # A pipe, which becomes the container's: an image may open /dev/stdout again. It holds what is said here.
        process = subprocess.Popen([RUNTIME, "profile", "record", "--bundle", self.bundle, "--output", self.profile,
                                    "--pid-file", self.bundle + "/pid", self.base],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            eventually(lambda: os.path.exists(self.bundle + "/pid") or process.poll() is not None, "the container")

            def served():
                if process.poll() is not None:
                    raise AssertionError(f"ended with {process.returncode}: {process.stdout.read()}")
                with open(self.bundle + "/pid", encoding="utf-8") as file:
                    pid = file.read()
                fetch = f"import urllib.request as r; print(r.urlopen('{page}', timeout=5).read().decode(), end='')"
                return run("nsenter", "--net", "-t", pid, "python3", "-c", fetch, check=False).code == 0
            eventually(served, f"{page} served", 60)
            process.send_signal(stop)
            process.wait(30)
        finally:
            if process.poll() is None:
                run(RUNTIME, "delete", "--force", self.base, check=False)
                process.kill()
                process.wait()
            process.stdout.close()
        with open(self.profile, encoding="utf-8") as file:
            return json.load(file)

    def pin(self):
        with open(self.profile, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        shutil.copyfile(self.profile, "/etc/gabion/recorded.json")
        with open(self.policy, "w", encoding="utf-8") as file:
            json.dump({"extends": "restricted", "exceptions": [{
                "name": "recorded", "reason": "a test", "match": {"engine": "docker"},
                "seccompFilters": [{"file": "/etc/gabion/recorded.json", "sha256": digest}]}]}, file)
        run(RUNTIME, "policy", "check", self.policy)

    def filters(self, name):
        with open(f"/proc/{self.inspect(name, '.State.Pid')}/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("Seccomp_filters")).split()[1])

    def record_pin_and_run(self, image, container_port, port, page, stop):
        self.prepare(image)
        document = self.record(f"http://127.0.0.1:{container_port}/", stop)
        names = document["syscalls"][0]["names"]
        # Of the 375 that gabion's own profile allows, a service needs a third at most.
        self.assertLess(len(names), 125, names)
        self.assertLessEqual({"execve", "socket", "bind", "listen"}, set(names))
        self.node.image(image)
        name = self.daemon(image=image + ":test", options=("-p", f"{port}:{container_port}"))
        self.await_page(port, page)
        before = self.filters(name)
        make_fifo = ("exec", name, "mkfifo", "/tmp/fifo")
        docker(*make_fifo)
        docker("rm", "-f", name)
        self.pin()
        name = self.daemon(image=image + ":test", options=("-p", f"{port}:{container_port}"))
        self.await_page(port, page)
        self.assertEqual(self.filters(name), before + 1)
        # What was not recorded fails in what exec adds, too.
        refused = docker(*make_fifo, check=False)
        self.assertNotEqual(refused.code, 0, str(refused))
        docker("stop", "-t", "20", name)
        os.unlink(self.policy)
        docker("rm", name)
        # Docker's own option: in the place of its filter, beneath gabion's.
        name = self.daemon(image=image + ":test",
                           options=("-p", f"{port}:{container_port}", "--security-opt", "seccomp=" + self.profile))
        self.await_page(port, page)
        self.assertEqual(self.filters(name), before)

    def test_nginx(self):
        self.record_pin_and_run("nginx", 80, 18093, "page of the image\n", signal.SIGQUIT)

    def test_python(self):
        self.record_pin_and_run("python", 8000, 18094, "served by python\n", signal.SIGINT)
