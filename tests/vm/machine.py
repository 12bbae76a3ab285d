"""A Debian machine in QEMU, without KVM: other kernels than the host's, and cgroup v2 alone.

The base (Debian 12 with the kernels of KERNELS) is made once and kept in a cache. A run gets a directory,
executes one command in it as root with nothing else running, and brings its output and exit code back. No
network, no disk that outlives the run.

    run("6.1", directory, "sh -c 'uname -r'")  ->  Outcome(code, output)
"""

import collections
import fcntl
import glob
import hashlib
import os
import re
import select
import shutil
import subprocess
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("GABION_TEST_CACHE", "/var/cache/gabion-tests")
KERNELS = {"6.1": "linux-image-cloud-amd64", "6.12": "linux-image-6.12-cloud-amd64"}
# crun and runc: the peers that tests/escapes attacks, here and nowhere else.
PACKAGES = ["busybox-static", "containerd", "crun", "iproute2", "kmod", "libmnl0", "procps", "python3", "runc",
            *KERNELS.values()]
SOURCES = ["deb http://deb.debian.org/debian bookworm main",
           "deb http://deb.debian.org/debian-security bookworm-security main"]
# In the order in which they need each other; what a kernel has built in is absent.
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_mmio",
           "virtio_blk"]
RESULT_BYTES = 32 << 20
# One processor: emulated ones that run side by side can miss that the kernel patches its own code, trip over the
# breakpoint it has there meanwhile, and lock up. A machine that ends or falls silent all the same, and brings nothing
# back, is a fault of the emulator, and tried again; one whose command takes too long is not.
ATTEMPTS = 3
SILENCE = 120  # seconds without a word on the console, where guest.sh says one every ten
# On the kernel's command line: how tests/escapes knows that what it attacks cannot change a real host.
MARK = "gabion-test-machine"

Outcome = collections.namedtuple("Outcome", "code output")


def run(kernel, directory, command, timeout=900, memory=1024):
    base = prepare()
    with tempfile.TemporaryDirectory(prefix="gabion-vm.", dir="/var/tmp") as work:
        payload, result = work + "/payload.tar", work + "/result.img"
        with open(work + "/command", "w", encoding="utf-8") as file:
            file.write(command + "\n")
        with tarfile.open(payload, "w") as archive:
            archive.add(directory, arcname="payload")
            archive.add(work + "/command", arcname="command")
            archive.add(HERE + "/guest.sh", arcname="guest.sh")
        for _ in range(ATTEMPTS):
            with open(result, "wb") as file:
                file.truncate(RESULT_BYTES)
            console, in_time = _boot(base, kernel, payload, result, timeout, memory)
            try:
                with tarfile.open(result) as archive:
                    code = int(archive.extractfile("code").read())
                    return Outcome(code, archive.extractfile("output").read().decode(errors="replace"))
            except (tarfile.TarError, KeyError, ValueError) as error:
                outcome = Outcome(255, f"the machine brought no result back ({error}); its console:\n{console}")
            if not in_time:
                break
            print(f"a machine on Linux {kernel} brought no result back:\n{console[-2000:]}", flush=True)
    return outcome


def _boot(base, kernel, payload, result, timeout, memory):
    """What the console said last, and whether the machine had until `timeout` for it."""
    drives = [(base + "/root.img", "snapshot=on"), (payload, "readonly=on"), (result, "snapshot=off")]
    words = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "1",
             "-m", str(memory), "-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio",
             "-kernel", f"{base}/vmlinuz-{kernel}", "-initrd", f"{base}/initrd-{kernel}", "-append",
             "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check random.trust_cpu=on " + MARK]
    for path, option in drives:
        words += ["-drive", f"file={path},format=raw,if=virtio,{option}"]
    console = b""
    deadline = time.monotonic() + timeout
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as machine:
        while (left := deadline - time.monotonic()) > 0:
            heard = select.select([machine.stdout], [], [], min(left, SILENCE))[0]
            if heard:
                chunk = os.read(machine.stdout.fileno(), 65536)
                if not chunk:
                    break  # it has ended
                console = (console + chunk)[-8000:]
            elif left > SILENCE:
                console += f"\n(silent for {SILENCE} s)".encode()
                machine.kill()
                break
        else:
            console += f"\n(stopped after {timeout} s)".encode()
            machine.kill()
    return console.decode(errors="replace"), left > 0


# --- the base ----------------------------------------------------------------------------------

def prepare():
    """The directory of the base; made when it is not there. Several processes may ask at once."""
    with open(HERE + "/initrd.sh", "rb") as file:
        key = hashlib.sha256(repr((PACKAGES, SOURCES, MODULES)).encode() + file.read()).hexdigest()[:16]
    os.makedirs(CACHE, exist_ok=True)
    base = f"{CACHE}/vm-{key}"
    with open(f"{CACHE}/vm.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(base):
            for old in glob.glob(CACHE + "/vm-*"):
                shutil.rmtree(old)
            _make(base)
    return base


def _make(base):
    started = time.monotonic()
    fresh = base.replace("/vm-", "/new-vm-")
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    with tempfile.TemporaryDirectory(prefix="gabion-vm-root.", dir="/var/tmp") as root:
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES), "bookworm",
                        root + "/tree", *SOURCES], check=True)
        for kernel in KERNELS:
            image = max(glob.glob(f"{root}/tree/boot/vmlinuz-{kernel}.*"), key=_version)
            shutil.copyfile(image, f"{fresh}/vmlinuz-{kernel}")
            _make_initrd(root + "/tree", image.split("/vmlinuz-")[1], f"{fresh}/initrd-{kernel}")
        with open(fresh + "/root.img", "wb") as file:
            file.truncate(2 << 30)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root + "/tree", fresh + "/root.img"],
                       check=True)
    os.rename(fresh, base)
    print(f"made the base of the virtual machines in {time.monotonic() - started:.0f} s", flush=True)


def _version(path):
    return [int(number) for number in re.findall(r"\d+", os.path.basename(path))]


def _make_initrd(tree, release, target):
    """busybox, the modules that reach the disk, and initrd.sh, as a newc archive."""
    with tempfile.TemporaryDirectory(prefix="gabion-vm-initrd.", dir="/var/tmp") as initrd:
        for name in ("bin", "modules", "proc", "sys", "dev", "root"):
            os.mkdir(f"{initrd}/{name}")
        shutil.copy2(tree + "/bin/busybox", initrd + "/bin/busybox")
        shutil.copy2(HERE + "/initrd.sh", initrd + "/init")
        os.chmod(initrd + "/init", 0o755)
        for number, name in enumerate(MODULES):
            for path in glob.glob(f"{tree}/lib/modules/{release}/kernel/**/{name}.ko*", recursive=True):
                plain = f"{initrd}/modules/{number}-{name}.ko"
                with open(plain, "wb") as file:
                    subprocess.run(["xz", "-dc", path] if path.endswith(".xz") else ["cat", path], stdout=file, check=True)
        names = subprocess.run(["find", ".", "-print0"], cwd=initrd, stdout=subprocess.PIPE, check=True).stdout
        archive = subprocess.run(["cpio", "--null", "--quiet", "-o", "-H", "newc"], cwd=initrd, input=names,
                                 stdout=subprocess.PIPE, check=True).stdout
        with open(target, "wb") as file:
            file.write(archive)
