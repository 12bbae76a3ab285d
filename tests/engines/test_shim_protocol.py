"""gabion's shim without containerd: a client of our own asks it in odd orders, with broken frames, and for too much."""

import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from engine import GROUP, IS_GABION, eventually
from protobuf import fields, message
from shim_case import (CREATED, EXISTS, INVALID, LOG, NOT_FOUND, PRECONDITION, PROCESS, RUNNING, SHIM, STATE, STOPPED, ShimCase,
                       UNIMPLEMENTED)
from test_shim import shims
from ttrpc_client import KINDS, Client, RpcError


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Protocol(ShimCase):
    def start_with(self, given):
        """What `start` says of a container of this pod, whose shim serves already, when it is given that."""
        done = subprocess.run([SHIM, "-namespace", GROUP, "-address", "/none", "-id", self.id, "start"], cwd=self.bundle,
                              input=given, capture_output=True, timeout=20, check=True)
        return done.stdout

    def test_forms_of_start(self):
        """containerd 2.3 says who it is and hears of version 3; others send options or nothing, and hear an address."""
        address = b"unix://" + self.path.encode()
        for given in (b"", message({1: "containerd.runc.v1.Options", 2: message({3: "x"})}), message({1: "another"}),
                      b"\xff\xff"):
            self.assertEqual(self.start_with(given), address)
        params = message({1: self.id, 2: GROUP, 3: 0, 4: "2.3.4", 5: "/none.ttrpc", 6: "/none"})
        self.assertEqual(self.start_with(params), message({1: 3, 2: address, 3: "ttrpc"}))

    def test_cgroup_of_the_shim(self):
        """The option ShimCgroup: as others send it, and as containerd 2.3 does."""
        unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        group = f"/sys/fs/cgroup/{'' if unified else 'memory/'}{GROUP}/shims"
        options = {1: "containerd.runc.v1.Options", 2: message({3: f"/{GROUP}/shims"})}

        def processes():
            with open(group + "/cgroup.procs", encoding="ascii") as file:
                return file.read().split()
        for number, given in enumerate((options, None)):
            name = f"grouped-{number}"
            bundle = self.make_bundle(name, "sleep", "1000")
            given = message(given or {1: name, 2: GROUP, 4: "2.3.4", 8: {1: options}})

            def start():
                return subprocess.run([SHIM, "-namespace", GROUP, "-address", "/none", "-id", name, "start"], cwd=bundle,
                                      input=given, capture_output=True, timeout=20, check=False)
            refused = start()
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(b"there is no such cgroup", refused.stderr)
            os.makedirs(group)
            self.assertEqual(start().returncode, 0)
            with open(bundle + "/address", encoding="ascii") as file:
                client = Client(file.read().removeprefix("unix://"))
            shim = client.call("Connect", {1: name})[1]
            self.assertEqual(processes(), [str(shim)])
            # The container is not in there.
            pid = client.call("Create", {1: name, 2: bundle, 10: options})[1]
            with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
                self.assertNotIn("/shims", file.read())
            client.call("Delete", {1: name})
            client.call("Shutdown", {1: name})
            client.close()
            eventually(lambda: not processes(), "the shim has ended")
            os.rmdir(group)

    def test_delete_without_a_shim(self):
        """What containerd calls after each disconnection, and for what is not there at all."""
        self.create()
        self.client.call("Start", {1: self.id})
        for _ in range(2):
            done = subprocess.run([SHIM, "-namespace", GROUP, "-address", "/none", "-id", self.id, "-bundle", self.bundle,
                                   "delete"], cwd=self.bundle, stdin=subprocess.DEVNULL, capture_output=True, timeout=20,
                                  check=True)
            self.assertEqual(fields(done.stdout)[2], 137)
        self.assertEqual(self.client.call("Wait", {1: self.id})[1], 137)

    def test_life(self):
        pid = self.create()
        self.assertEqual(self.status(), CREATED)
        self.assertEqual(self.client.call("Start", {1: self.id})[1], pid)
        self.assertEqual(self.status(), RUNNING)
        self.assertEqual(self.client.call("Connect", {1: self.id})[2], pid)
        waiting = self.client.ask("Wait", {1: self.id})
        self.client.call("Kill", {1: self.id, 3: int(signal.SIGKILL)})
        self.assertEqual(self.client.answer(waiting)[1], 137)
        self.assertEqual(self.status(), STOPPED)
        self.assertEqual(self.client.call("Delete", {1: self.id})[2], 137)

    def test_version_3_is_the_same(self):
        self.assertEqual(self.client.call("Connect", {1: self.id}, service="containerd.task.v3.Task")[1] > 0, True)

    def test_unknown_methods_and_services(self):
        self.fails(UNIMPLEMENTED, "Fly", {1: self.id})
        self.fails(UNIMPLEMENTED, "State", {1: self.id}, service="containerd.task.v9.Task")
        self.fails(UNIMPLEMENTED, "Checkpoint", {1: self.id})

    def test_requests_for_nothing(self):
        for method in ("State", "Start", "Delete", "Pids", "Pause", "Resume", "Stats", "Wait", "Update", "Kill", "Exec",
                       "ResizePty", "CloseIO"):
            self.assertIn("not found", self.fails(NOT_FOUND, method, {1: "nobody"}))
        self.assertNotIn(2, self.client.call("Connect", {1: "nobody"}))  # task_pid 0, and no error

    def test_delete_before_start(self):
        self.create()
        self.assertEqual(self.client.call("Delete", {1: self.id})[2], 137)
        self.fails(NOT_FOUND, "State", {1: self.id})

    def test_wrong_orders(self):
        self.create()
        self.fails(EXISTS, "Create", {1: self.id, 2: self.bundle})
        self.fails(PRECONDITION, "Exec", {1: self.id, 2: "x", 7: {2: "{}"}})
        self.client.call("Start", {1: self.id})
        self.fails(PRECONDITION, "Start", {1: self.id})
        self.fails(PRECONDITION, "Delete", {1: self.id})
        self.fails(NOT_FOUND, "Start", {1: self.id, 2: "nobody"})
        self.client.call("Kill", {1: self.id, 3: 9})
        self.client.call("Wait", {1: self.id})
        self.assertIn("process already finished", self.fails(NOT_FOUND, "Kill", {1: self.id, 3: 9}))
        self.fails(PRECONDITION, "Start", {1: self.id})

    def test_exec(self):
        self.create()
        self.client.call("Start", {1: self.id})
        process = json.dumps(PROCESS | {"args": ["sh", "-c", "exit 5"]})
        self.client.call("Exec", {1: self.id, 2: "one", 7: {2: process}})
        self.fails(EXISTS, "Exec", {1: self.id, 2: "one", 7: {2: process}})
        self.assertEqual(self.status("one"), CREATED)
        self.client.call("Start", {1: self.id, 2: "one"})
        self.assertEqual(self.client.call("Wait", {1: self.id, 2: "one"})[1], 5)
        self.assertEqual(self.client.call("Delete", {1: self.id, 2: "one"})[2], 5)
        self.client.call("Exec", {1: self.id, 2: "two", 7: {2: "{not JSON"}})
        self.fails(INVALID, "Start", {1: self.id, 2: "two"})
        self.assertEqual(self.client.call("Wait", {1: self.id, 2: "two"})[1], 255)
        self.client.call("Delete", {1: self.id, 2: "two"})
        self.fails(INVALID, "Exec", {1: self.id, 2: "../up", 7: {2: process}})

    def test_two_deletions(self):
        self.create()
        self.client.call("Start", {1: self.id})
        self.client.call("Kill", {1: self.id, 3: 9})
        self.client.call("Wait", {1: self.id})
        outcomes = []
        for stream in [self.client.ask("Delete", {1: self.id}) for _ in range(2)]:
            try:
                outcomes.append(self.client.answer(stream)[2])
            except RpcError as error:
                outcomes.append(error.code)
        self.assertEqual(sorted(outcomes), [NOT_FOUND, 137])

    def test_three_clients_wait(self):
        self.create()
        self.client.call("Start", {1: self.id})
        waiting = [(client, client.ask("Wait", {1: self.id})) for client in (self.connect() for _ in range(3))]
        waiting[0][0].close()  # one that goes away meanwhile
        self.client.call("Kill", {1: self.id, 3: 15})
        self.client.call("Kill", {1: self.id, 3: 9})
        for client, stream in waiting[1:]:
            self.assertEqual(client.answer(stream)[1], 137)

    def test_shutdown_with_containers_is_ignored(self):
        self.create()
        self.client.call("Shutdown", {1: self.id})
        self.assertEqual(self.status(), CREATED)

    def test_a_slow_operation_stalls_nobody(self):
        """A container whose hook sleeps is being made; another client is answered at once."""
        self.add_hook("sleep 3\n")
        creating = self.client.ask("Create", {1: self.id, 2: self.bundle})
        other = self.connect()
        started = time.monotonic()
        for _ in range(50):
            other.call("Connect", {1: self.id})
        self.assertLess(time.monotonic() - started, 2.5)
        self.assertNotIn(creating, self.client.early)
        self.client.answer(creating)
        self.assertGreater(time.monotonic() - started, 2.5)

    def test_half_frames_and_endless_ones(self):
        for data in (b"", b"\0", b"\0\0\0\5\0\0\0\1\1", b"\0\0\0\5\0\0\0\1\1\0abc", b"\xff" * 10, b"\0\x40\0\1" + b"\0" * 6):
            client = self.connect()
            client.socket.sendall(data)
            if data[:1] in (b"\xff",) or data[1:2] == b"\x40":
                with self.assertRaises(ConnectionError):
                    client.frame()
            client.close()
        self.assertIn(1, self.client.call("Connect", {1: self.id}))

    def test_frames_in_pieces_and_in_one(self):
        data = message({1: "containerd.task.v2.Task", 2: "Connect", 3: message({1: self.id})})
        frame = struct.pack(">IIBB", len(data), 1, KINDS["request"], 0) + data
        for byte in frame:
            self.client.socket.sendall(bytes([byte]))
        self.client.stream = 1
        self.assertIn(1, self.client.answer(1))
        streams = range(3, 203, 2)
        self.client.socket.sendall(b"".join(struct.pack(">IIBB", len(data), stream, 1, 0) + data for stream in streams))
        for stream in streams:
            self.assertIn(1, self.client.answer(stream))

    def test_the_largest_frame(self):
        room = (4 << 20) - len(message({1: "s", 2: "m", 3: b"x" * (4 << 20)})) + (4 << 20)
        data = message({1: "s", 2: "m", 3: b"x" * room})
        self.assertEqual(len(data), 4 << 20)
        self.client.stream = 1
        self.client.send_frame(1, KINDS["request"], data)
        with self.assertRaises(RpcError) as caught:
            self.client.answer(1)
        self.assertEqual(caught.exception.code, UNIMPLEMENTED)

    def test_streams_are_odd_and_grow(self):
        data = message({1: "containerd.task.v2.Task", 2: "Connect", 3: message({1: self.id})})
        for stream in (2, 0):
            self.client.send_frame(stream, KINDS["request"], data)
            with self.assertRaises(RpcError):
                self.client.answer(stream)
        self.client.send_frame(9, KINDS["request"], data)
        self.assertIn(1, self.client.answer(9))
        self.client.send_frame(9, KINDS["request"], data)
        with self.assertRaises(RpcError):
            self.client.answer(9)
        self.client.send_frame(11, KINDS["data"], data)
        with self.assertRaises(RpcError):
            self.client.answer(11)

    def test_random_bytes(self):
        """The shim lives, and its memory is what it was."""
        shim = self.client.call("Connect", {1: self.id})[1]
        source = random.Random(7)
        for _ in range(300):
            client = self.connect()
            data = message({1: "containerd.task.v2.Task", 2: source.choice(["Create", "Exec", "Kill", "Update"]),
                            3: source.randbytes(source.randrange(200))})
            client.send_frame(1, KINDS["request"], data)
            client.socket.sendall(source.randbytes(source.randrange(60)))
            client.close()
            self.clients.pop()
        self.assertEqual(self.client.call("Connect", {1: self.id})[1], shim)
        eventually(lambda: len(os.listdir(f"/proc/{shim}/fd")) < 12, "connections are closed")
        with open(f"/proc/{shim}/status", encoding="utf-8") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        self.assertLess(resident, 6000)

    def test_others_may_not_connect(self):
        """The socket's mode keeps them out; so does what the kernel says of who they are."""
        os.chmod(self.path, 0o666)
        for directory in (os.path.dirname(self.path), "/run/gabion"):
            self.addCleanup(os.chmod, directory, os.stat(directory).st_mode & 0o777)
            os.chmod(directory, 0o755)
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from ttrpc_client import Client\n"
                  "c = Client(sys.argv[2], 5)\ntry:\n c.call('Connect', {1: 'x'})\n print('answered')\n"
                  "except OSError: print('closed')")
        done = subprocess.run(["/usr/bin/python3", "-c", script, self.work, self.path], user=65534, group=65534, extra_groups=[],
                              capture_output=True, text=True, timeout=30, check=False, cwd="/",
                              env={"PYTHONPATH": self.copy_client()})
        self.assertEqual(done.stdout.strip(), "closed", done.stderr)

    def copy_client(self):
        place = "/srv/client"
        os.makedirs(place, exist_ok=True)
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        for name in ("ttrpc_client.py", "protobuf.py"):
            shutil.copy2(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), place)
            os.chmod(os.path.join(place, name), 0o644)
        return place

    def test_options_that_change_the_runtime_are_refused(self):
        for options, word in (({6: "/usr/sbin/runc"}, "this shim is the runtime"), ({7: "/run/other"}, "the state is in"),
                              ({9: 1}, "SystemdCgroup")):
            any_ = {1: "containerd.runc.v1.Options", 2: message(options)}
            self.assertIn(word, self.fails(UNIMPLEMENTED, "Create", {1: self.id, 2: self.bundle, 10: any_}))

    def test_every_end_is_in_the_log(self):
        """More at once than the shim has workers."""
        self.create()
        self.client.call("Start", {1: self.id})
        process = json.dumps(PROCESS | {"args": ["sleep", "1000"]})
        for number in range(100):
            self.client.call("Exec", {1: self.id, 2: f"n{number}", 7: {2: process}})
            self.client.call("Start", {1: self.id, 2: f"n{number}"})
        self.client.call("Kill", {1: self.id, 3: 9})
        self.assertEqual(self.client.call("Wait", {1: self.id})[1], 137)
        self.client.call("Delete", {1: self.id})
        events = [event["event"] for event in self.events()]
        self.assertEqual(events.count("exec.exit"), 100)
        self.assertEqual(events[-2:], ["container.exit", "container.delete"])

    def test_the_log_names_who_asked(self):
        """Each client by itself, though who asks again is not looked up again."""
        self.create()
        other = os.fork()
        if other == 0:
            status = 1
            try:
                status = 0 if self.connect().call("Start", {1: self.id})[1] else 1
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(other, 0)[1], 0)
        self.client.call("Kill", {1: self.id, 3: 9})
        self.client.call("Wait", {1: self.id})
        self.client.call("Delete", {1: self.id})
        shim = self.client.call("Connect", {1: self.id})[1]
        asked = [(event["event"], event["actor"]["pid"]) for event in self.events()]
        self.assertEqual(asked, [("container.create", os.getpid()), ("container.start", other),
                                 ("container.kill", os.getpid()), ("container.exit", shim),
                                 ("container.delete", os.getpid())])
        programs = {event["actor"]["pid"]: event["actor"]["exe"] for event in self.events()}
        self.assertEqual(programs[os.getpid()], os.readlink("/proc/self/exe"))
        self.assertEqual(os.path.basename(programs[shim]), "containerd-shim-gabion-v2")

    def test_mounts_are_gone_when_a_deletion_is_answered(self):
        """Whoever asked may take away what they were of."""
        image, place = self.work + "/image", self.work + "/place"
        os.mkdir(place)
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        with self.config() as document:
            document["mounts"].append({"destination": "/mnt", "type": "bind", "source": place,
                                       "options": ["rbind", "ro", "nosuid", "nodev"]})
        self.addCleanup(subprocess.run, ["umount", "-q", place], check=False)
        for started in (True, False):
            for _ in range(10):
                subprocess.run(["mount", "-o", "loop", image, place], check=True)
                self.create()
                if started:
                    self.client.call("Start", {1: self.id})
                    self.client.call("Kill", {1: self.id, 3: 9})
                    self.client.call("Wait", {1: self.id})
                self.client.call("Delete", {1: self.id})
                subprocess.run(["umount", place], check=True)
                # The loop device goes by itself with the last mount of it.
                done = subprocess.run(["losetup", "-j", image], capture_output=True, text=True, check=True)
                self.assertEqual(done.stdout, "")

    def test_a_start_that_is_refused_may_be_asked_again(self):
        self.create()
        os.rename(LOG, LOG + ".away")
        os.mkdir(LOG)
        with self.assertRaises(RpcError):
            self.client.call("Start", {1: self.id})
        os.rmdir(LOG)
        os.rename(LOG + ".away", LOG)
        self.assertEqual(self.status(), CREATED)
        self.client.call("Start", {1: self.id})
        self.assertEqual(self.status(), RUNNING)

    def test_who_waits_for_what_never_began_is_told(self):
        self.create()
        self.client.call("Start", {1: self.id})
        self.client.call("Exec", {1: self.id, 2: "one", 7: {2: "{}"}})
        waiting = self.client.ask("Wait", {1: self.id, 2: "one"})
        self.client.call("Delete", {1: self.id, 2: "one"})
        self.assertEqual(self.client.answer(waiting)[1], 255)

    def test_descriptors(self):
        """The shim may have as many as it can, and a container what the shim was started with."""
        shim = self.client.call("Connect", {1: self.id})[1]
        soft, hard = resource.prlimit(shim, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)
        pid = self.create()
        self.assertEqual(resource.prlimit(pid, resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_NOFILE))

    def test_a_thousand_lives(self):
        """Creations with an exec each: no descriptor and no memory more, and nothing left."""
        shim = self.client.call("Connect", {1: self.id})[1]
        bundle = self.make_bundle("again", "sleep", "1000")
        process = json.dumps(PROCESS | {"args": ["true"]})

        def life():
            self.create("again", bundle)
            self.client.call("Start", {1: "again"})
            self.client.call("Exec", {1: "again", 2: "x", 7: {2: process}})
            self.client.call("Start", {1: "again", 2: "x"})
            self.client.call("Wait", {1: "again", 2: "x"})
            self.client.call("Delete", {1: "again", 2: "x"})
            self.client.call("Kill", {1: "again", 3: 9})
            self.client.call("Wait", {1: "again"})
            self.client.call("Delete", {1: "again"})

        def memory():
            with open(f"/proc/{shim}/smaps_rollup", encoding="utf-8") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
        for _ in range(50):
            life()
        before = len(os.listdir(f"/proc/{shim}/fd")), memory()
        for _ in range(950):
            life()
        self.assertEqual(len(os.listdir(f"/proc/{shim}/fd")), before[0])
        self.assertLess(memory(), before[1] + 64)
        self.assertEqual(os.listdir(STATE), [])


if __name__ == "__main__":
    unittest.main()
