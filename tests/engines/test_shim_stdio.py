"""Standard streams and terminals of gabion's shim: what containerd reads, and that no container stalls the shim by them."""

import json
import os
import select
import signal
import subprocess
import time
import unittest

from engine import IS_GABION, eventually
from shim_case import PRECONDITION, PROCESS, RUNNING, STOPPED, ShimCase
from test_shim import shims
from ttrpc_client import RpcError

HERE = os.path.dirname(os.path.abspath(__file__))


class Reader:
    """What comes out of a fifo, as containerd reads it."""

    def __init__(self, case, path):
        os.mkfifo(path)
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        case.addCleanup(os.close, self.fd)
        self.text, self.begun, self.ended = "", False, False

    def read(self, seconds=0.05):
        """All that has come."""
        if not self.ended and select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return self.text
            # Before the first writer a fifo is at its end, too.
            self.ended = self.begun and not data
            self.begun = self.begun or bool(data)
            self.text += data.decode()
        return self.text


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Streams(ShimCase):
    def fifo(self, name):
        os.mkfifo(f"{self.work}/{name}")
        return f"{self.work}/{name}"

    def add_holder(self):
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", self.bundle + "/rootfs/bin/holder",
                        HERE + "/holder.c"], check=True)

    def running(self, **options):
        self.client.call("Create", {1: self.id, 2: self.bundle, **options})
        self.client.call("Start", {1: self.id})

    def exec(self, name, *args, **request):
        spec = json.dumps(PROCESS | {"args": list(args)})
        self.client.call("Exec", {1: self.id, 2: name, 7: {2: spec}, **{int(key[1:]): value for key, value in request.items()}})
        return self.client.call("Start", {1: self.id, 2: name})[1]

    def exec_terminal(self, name, *args, **request):
        """In a terminal: its Reader."""
        reader = Reader(self, f"{self.work}/{name}.out")
        self.exec(name, *args, _3=True, _5=reader.path, **request)
        return reader

    def wait(self, name=""):
        return self.client.call("Wait", {1: self.id, 2: name}).get(1, 0)

    def resize(self, name, width, height):
        self.client.call("ResizePty", {1: self.id, 2: name, 3: width, 4: height})

    def no_copier(self):
        eventually(lambda: not shims(copiers=True)[1:], "no copier left")

    def test_output_waits_for_its_reader(self):
        """containerd may open its ends when the process has come and gone: it reads all of it, and then the end."""
        self.client.call("Create", {1: self.id, 2: self.make_bundle("talks", "sh", "-c", "echo out; echo err >&2"),
                                    6: self.fifo("out"), 7: self.fifo("err")})
        self.client.call("Start", {1: self.id})
        self.wait()
        for name in ("out", "err"):
            done = subprocess.run(["cat", f"{self.work}/{name}"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=10, check=True)
            self.assertEqual(done.stdout, name + "\n")

    def say(self, words):
        """A process that says this and ends, before anybody reads: the fifo."""
        self.running()
        path = self.fifo("out")
        self.exec("one", "echo", words, _5=path)
        self.wait("one")
        return path

    def test_who_opens_and_does_not_read_takes_nothing_along(self):
        """As containerd does that is ended just then."""
        path = self.say("last words")
        for pause in (0, 0.1, 0.5, 1.5):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            time.sleep(pause)
            os.close(fd)
        done = subprocess.run(["cat", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=True)
        self.assertEqual(done.stdout, "last words\n")
        self.no_copier()

    def test_state_waits_for_who_is_about_to_read(self):
        """containerd that was started again opens the fifo in the background, asks for the state, and gives up what it has
        not opened by then. It is not kept for ever: nobody may read at all."""
        path = self.say("last words")
        eventually(lambda: 0.09 < self.asked() < 5, "it waits for a reader")
        stream = self.client.ask("State", {1: self.id, 2: "one"})
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "last words\n")
        self.assertEqual(self.client.answer(stream)[4], STOPPED)
        self.no_copier()
        self.assertLess(min(self.asked() for _ in range(20)), 0.05)

    def asked(self):
        """How long it takes to hear that the process has ended."""
        begun = time.monotonic()
        self.assertEqual(self.status("one"), STOPPED)
        return time.monotonic() - begun

    def test_state_waits_though_something_stays_in_the_background(self):
        """Which holds the process's pipe, so that the end of its words is not the end of the pipe."""
        self.running()
        path = self.fifo("out")
        self.exec("one", "sh", "-c", "echo last words; sleep 1000 & exit 0", _5=path)
        self.wait("one")
        for _ in range(5):  # from the first time on: also when the copier has not said yet what there is
            self.assertGreater(self.asked(), 0.09)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.readline(), "last words\n")
            eventually(lambda: self.asked() < 0.05, "all is read")

    def test_terminal(self):
        """Its input, its output, its size, and that it ends."""
        self.running()
        keyboard = self.fifo("keyboard")
        screen = self.exec_terminal("one", "sh", "-c", "until stty size | grep 90; do sleep 0.1; done; read x; echo got $x; "
                                                       "until stty size | grep 200; do sleep 0.1; done; exit 4", _4=keyboard)
        with open(keyboard, "w", encoding="ascii") as file:
            self.resize("one", 90, 30)
            eventually(lambda: "30 90\r\n" in screen.read(), "the first size")
            print("word", file=file, flush=True)
            eventually(lambda: "got word\r\n" in screen.read(), "what was typed")
            self.resize("one", 200, 31)
            eventually(lambda: "31 200\r\n" in screen.read(), "the second size")
        self.assertEqual(self.wait("one"), 4)
        eventually(lambda: (screen.read(), screen.ended)[1], "the end of the output")
        self.assertIn("stopped", self.fails(PRECONDITION, "ResizePty", {1: self.id, 2: "one", 3: 1, 4: 1}))
        self.no_copier()

    def test_size_without_a_terminal(self):
        self.running()
        self.exec("one", "sleep", "1000")
        for name in ("", "one"):
            self.assertIn("has no terminal", self.fails(PRECONDITION, "ResizePty", {1: self.id, 2: name, 3: 80, 4: 25}))

    def test_terminal_whose_process_is_not_made(self):
        self.running()
        for number, args in enumerate((["/nothing"], [])):
            with self.assertRaises(RpcError):
                self.exec_terminal(f"n{number}", *args)
            self.client.call("Delete", {1: self.id, 2: f"n{number}"})
        self.no_copier()
        self.assertEqual(self.status(), RUNNING)

    def test_last_words_on_a_terminal(self):
        """All of what a process wrote before it ended is read, also by who reads late: as much as a fifo has room for."""
        self.running()
        screen = self.exec_terminal("one", "sh", "-c", "seq 4000")
        self.wait("one")
        self.client.call("Delete", {1: self.id, 2: "one"})
        eventually(lambda: (screen.read(), screen.ended)[1], "the end of the output")
        self.assertEqual(screen.text.split(), [str(number) for number in range(1, 4001)])
        self.no_copier()

    def test_what_stays_in_the_background_keeps_nobody(self):
        """A terminal ends with its process; a pipe two seconds after who waits for the process has deleted it."""
        self.running()
        script = "trap '' HUP; echo here; sleep 1000 & exit 0"
        screen = self.exec_terminal("terminal", "sh", "-c", script)
        self.wait("terminal")
        eventually(lambda: (screen.read(), screen.ended)[1], "the terminal's end", 15)
        self.assertEqual(screen.text, "here\r\n")
        pipe = Reader(self, self.work + "/pipe.out")
        self.exec("pipe", "sh", "-c", script, _5=pipe.path)
        self.wait("pipe")
        eventually(lambda: pipe.read() == "here\n", "the output")
        time.sleep(2.5)
        pipe.read()
        self.assertFalse(pipe.ended)  # who waits for the process, as Docker does, is told of what comes after it
        self.client.call("Delete", {1: self.id, 2: "pipe"})
        eventually(lambda: (pipe.read(), pipe.ended)[1], "the pipe's end", 15)
        self.no_copier()

    def test_what_writes_in_the_background_keeps_nobody(self):
        """However much it has to say, and however slowly it is read."""
        self.running()
        pipe = Reader(self, self.work + "/pipe.out")
        self.exec("one", "sh", "-c", "trap '' HUP; yes & exit 0", _5=pipe.path)
        self.wait("one")
        self.client.call("Delete", {1: self.id, 2: "one"})
        deadline = time.monotonic() + 15
        while not pipe.ended and time.monotonic() < deadline:
            time.sleep(0.02)
            pipe.read()
        self.assertTrue(pipe.ended)
        self.no_copier()

    def test_terminal_that_nobody_has_for_a_moment(self):
        """It has not ended: a login program closes it, and opens it again."""
        self.running()
        screen = self.exec_terminal("one", "sh", "-c", "t=$(readlink /proc/self/fd/0); exec < /dev/null > /dev/null 2>&1; "
                                                       "sleep 0.5; echo late > $t; sleep 0.5; echo later > $t; exit 3")
        self.assertEqual(self.wait("one"), 3)
        eventually(lambda: (screen.read(), screen.ended)[1], "the end of the output")
        self.assertEqual(screen.text, "late\r\nlater\r\n")

    def test_what_a_first_process_leaves_in_a_shared_pid_namespace(self):
        """It ends with the first process, as it would in a namespace of its own; so do the streams, before the deletion,
        for which containerd waits until they have."""
        self.running()
        bundle = self.make_bundle("two", "sh", "-c", "trap '' HUP; echo here; sleep 1000 & exit 0")
        pid = self.client.call("Connect", {1: self.id})[2]
        with self.config(bundle) as document:
            for namespace in document["linux"]["namespaces"]:
                if namespace["type"] == "pid":
                    namespace["path"] = f"/proc/{pid}/ns/pid"
            document.setdefault("annotations", {})["io.kubernetes.cri.sandbox-id"] = self.id
        pipe = Reader(self, self.work + "/pipe.out")
        other = self.client.call("Create", {1: "two", 2: bundle, 6: pipe.path})[1]
        self.assertEqual(os.readlink(f"/proc/{other}/ns/pid"), os.readlink(f"/proc/{pid}/ns/pid"))
        self.client.call("Start", {1: "two"})
        self.client.call("Wait", {1: "two"})
        eventually(lambda: (pipe.read(), pipe.ended)[1], "the end of the output", 15)
        self.assertEqual(pipe.text, "here\n")
        self.assertEqual(self.status(), RUNNING)

    def test_a_pipe_that_is_held_stalls_nobody(self):
        """Whoever touches a pipe whose lock the container holds waits where no signal reaches."""
        self.add_holder()
        self.running()
        cases = (("out", {"_5": self.fifo("out")}, []), ("file", {"_5": f"file://{self.work}/log"}, []),
                 ("in", {"_4": self.fifo("in")}, ["input"]))
        for name, streams, words in cases:
            self.exec(name, "holder", *words, **streams)
            self.assertEqual(self.wait(name), 0, name)
            self.client.call("CloseIO", {1: self.id, 2: name, 3: True})
            self.client.call("Delete", {1: self.id, 2: name})
            self.assertEqual(self.status(), RUNNING)
        self.client.call("Kill", {1: self.id, 3: 9})
        self.assertEqual(self.wait(), 137)
        self.client.call("Delete", {1: self.id})
        self.no_copier()

    def test_a_terminal_that_is_held_stalls_nobody(self):
        """Whoever sets the size of a terminal whose lock the container holds waits where no signal reaches."""
        self.add_holder()
        with self.config() as document:
            for names in document["process"]["capabilities"].values():
                names.append("CAP_SYS_PTRACE")
        options = self.policy_options({"extends": "passthrough"})
        self.client.call("Create", {1: self.id, 2: self.bundle, 10: options})
        self.client.call("Start", {1: self.id})
        process = PROCESS | {"capabilities": document["process"]["capabilities"], "args": ["holder", "terminal"]}
        screen = Reader(self, self.work + "/screen")
        self.client.call("Exec", {1: self.id, 2: "one", 3: True, 5: screen.path, 7: {2: json.dumps(process)}})
        self.client.call("Start", {1: self.id, 2: "one"})
        eventually(lambda: screen.read(), "a word")
        self.assertEqual(screen.text, "held\r\n")
        # As often as one likes: nobody waits, and what cannot be kept is refused.
        said = set()
        end = time.monotonic() + 20
        while not said and time.monotonic() < end:
            try:
                self.resize("one", 80, 25)
            except RpcError as error:
                said.add((error.code, error.text))
        self.assertEqual(said, {(PRECONDITION, "the container does not let go of its terminal")})
        self.client.call("CloseIO", {1: self.id, 2: "one", 3: True})
        self.exec("two", "true")
        self.assertEqual(self.wait("two"), 0)
        self.client.call("Kill", {1: self.id, 2: "one", 3: int(signal.SIGKILL)})
        self.assertEqual(self.wait("one"), 137)
        self.client.call("Delete", {1: self.id, 2: "one"})
        self.assertEqual(self.status(), RUNNING)
        self.client.call("Kill", {1: self.id, 3: 9})
        self.assertEqual(self.wait(), 137)
        self.client.call("Delete", {1: self.id})
        self.no_copier()


if __name__ == "__main__":
    unittest.main()
