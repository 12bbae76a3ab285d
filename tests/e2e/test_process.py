"""What a container's process is: its user, limits, streams, terminal and descriptors."""

import array
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

from runtime import Case, Process, only_gabion, wait_until


class Attributes(Case):
    def test_user_groups_and_umask(self):
        done = self.script("id -u; id -g; id -G; umask; touch /tmp/made; stat -c %a /tmp/made",
                           user={"uid": 1000, "gid": 1001, "additionalGids": [7, 8], "umask": 0o27})
        self.assertEqual(done.lines, ["1000", "1001", "1001 7 8", "0027", "640"])

    def test_default_umask(self):
        self.assertEqual(self.script("umask").out, "0022")

    def test_cwd_env_and_hostname(self):
        done = self.script("pwd; echo $ONE-$TWO; hostname; echo $HOME", cwd="/var/www",
                           env=["PATH=/bin", "ONE=1", "TWO=with space", "HOME=/x"])
        self.assertEqual(done.lines, ["/var/www", "1-with space", "e2e", "/x"])

    def test_missing_cwd_is_made(self):
        name, bundle = self.bundle("pwd", cwd="/opt/new/deep")
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        # runc makes it; either that or an error that names it.
        if done.code == 0:
            self.assertEqual(done.out, "/opt/new/deep")
        else:
            self.assertIn("/opt/new/deep", done.err)

    def test_path_of_the_environment_finds_the_program(self):
        name, bundle = self.bundle("tool", env=["PATH=/absent:/opt"])
        os.link(bundle + "/rootfs/bin/busybox", bundle + "/rootfs/opt/tool")
        done = self.gabion("run", "--bundle", bundle, name, check=False)
        self.assertIn("applet not found", done.err + done.out)

    def test_rlimits(self):
        done = self.inside("probe", "limits", rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}])
        limits = {line.split()[0]: line.split()[1:] for line in done.lines}
        self.assertEqual(limits["nofile"], ["100", "200"])

    def test_oom_score(self):
        done = self.script("cat /proc/self/oom_score_adj", oomScoreAdj=321)
        self.assertEqual(done.out, "321")

    def test_signals_start_at_their_defaults(self):
        """SIG_IGN and the mask outlive execve(2): the runtime's own must not."""
        name, bundle = self.bundle("probe", "signals")

        def ignore():
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        done = self.gabion("run", "--bundle", bundle, name, preexec_fn=ignore)
        for line in done.lines:
            self.assertEqual(int(line.split()[1], 16), 0, done.out)

    def test_first_process_is_pid_1_in_a_session_of_its_own(self):
        done = self.script("cut -d' ' -f 1,5,6 /proc/$$/stat")
        self.assertEqual(done.out, "1 1 1")

    def test_sysctl(self):
        def edit(document):
            document["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"}
        done = self.script("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", edit=edit)
        self.assertEqual(done.lines, ["1", "4096"])

    def test_loopback_is_up(self):
        self.assertIn("127.0.0.1", self.script("ip addr show lo").out)
        self.assertEqual(self.script("ping -c 1 -w 2 127.0.0.1 >/dev/null 2>&1; (echo hello | nc -l -p 99 &) ; "
                                     "usleep 100000; nc 127.0.0.1 99 </dev/null").out, "hello")

    def test_seccomp_of_the_spec(self):
        def edit(document):
            document["linux"]["seccomp"] = {
                "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99},
                             {"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        done = self.script("mkdir /tmp/x; ( sync ); echo $?", edit=edit)
        self.assertIn("Cannot assign requested address", done.err)
        self.assertEqual(done.out, str(128 + signal.SIGSYS))

    def test_capabilities(self):
        for names, mask in ((["CAP_CHOWN"], 1), ([], 0), (["CAP_CHOWN", "CAP_SETUID", "CAP_KILL"], 0xA1)):
            sets = {kind: names for kind in ("bounding", "effective", "permitted")}
            done = self.script("grep ^Cap /proc/self/status", capabilities=sets)
            found = {line.split()[0]: int(line.split()[1], 16) for line in done.lines}
            self.assertEqual(found, {"CapInh:": 0, "CapPrm:": mask, "CapEff:": mask, "CapBnd:": mask, "CapAmb:": 0})

    def test_a_user_has_no_capabilities(self):
        done = self.script("grep -E '^Cap(Prm|Eff)' /proc/self/status", user={"uid": 1000, "gid": 1000})
        self.assertEqual([int(line.split()[1], 16) for line in done.lines], [0, 0])

    def test_annotations_in_state(self):
        def edit(document):
            document["annotations"] = {"org.example.key": "value \" with\nall"}
        name = self.created(edit=edit)
        self.assertEqual(self.state(name)["annotations"]["org.example.key"], 'value " with\nall')


class Descriptors(Case):
    def inherit(self, *flags, fds=2, args=("probe", "fds")):
        """Runs with descriptors 3.. open and inheritable."""
        name, bundle = self.bundle(*args)
        ends = []

        def prepare():
            for number in range(3, 3 + fds):
                opened = os.open("/etc/hostname" if number % 2 else "/etc/passwd", os.O_RDONLY)
                os.dup2(opened, number, inheritable=True)
        done = self.gabion("run", *flags, "--bundle", bundle, name, preexec_fn=prepare, close_fds=False, check=False)
        del ends
        return done

    def test_only_the_standard_streams(self):
        done = self.inside("probe", "fds")
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2"], done.out)

    def test_what_the_caller_leaks_is_not_seen(self):
        done = self.inherit()
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2"], done.out)

    def test_a_created_container_holds_nothing_of_the_runtime(self):
        name = self.created()
        pid = self.state(name)["pid"]
        held = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        extra = [target for fd, target in held.items() if int(fd) > 2]
        self.assertEqual(len(extra), 1, held)  # the socket on which it waits for its start
        self.assertTrue(extra[0].startswith("socket:"), held)

    def test_leaked_socket_of_a_created_container(self):
        name, bundle = self.bundle("probe", "fds")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.work + "/leak")
        listener.listen()

        def leak():
            os.dup2(listener.fileno(), 3, inheritable=True)
        self.gabion("create", "--bundle", bundle, name, preexec_fn=leak, close_fds=False)
        listener.close()
        with socket.socket(socket.AF_UNIX) as client, self.assertRaises(ConnectionRefusedError):
            client.connect(self.work + "/leak")

    def test_preserve_fds(self):
        done = self.inherit("--preserve-fds", "1")
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2", "3"], done.out)
        done = self.inherit("--preserve-fds", "1", args=("sh", "-c", "cat <&3"))
        with open("/etc/hostname", encoding="utf-8") as file:
            self.assertEqual(done.out, file.read().strip())

    def test_preserved_fd_that_is_not_there(self):
        name, bundle = self.bundle()
        for count in ("3", "2147483644", "2147483645", "2147483647"):
            self.refused(self.gabion("run", "--preserve-fds", count, "--bundle", bundle, name, check=False),
                         f"preserved-fd 0 (of {count}) is present")
        name = self.running()
        self.refused(self.execute(name, "true", flags=("--preserve-fds", "2147483647"), check=False),
                     "preserved-fd 0 (of 2147483647) is present")

    @only_gabion
    def test_dev_stdout_can_be_reopened_by_a_user(self):
        name, bundle = self.bundle("sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr",
                                   user={"uid": 1000, "gid": 1000})
        done = subprocess.run(self.command("run", "--bundle", bundle, name), stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=30)
        self.assertEqual((done.stdout, done.stderr), (b"out\n", b"err\n"))

    def test_closed_standard_streams(self):
        name, bundle = self.bundle("sleep", "0")
        process = Process(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *self.command("run", "--bundle", bundle, name)])
        self.assertEqual(process.wait(30), 0)


class Receiver:
    """The other end of --console-socket: one descriptor by SCM_RIGHTS."""

    def __init__(self, path):
        self.path, self.master, self.text = path, None, None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.receive)
        self.thread.start()

    def receive(self):
        self.listener.settimeout(20)
        try:
            peer = self.listener.accept()[0]
        except OSError:
            return
        peer.settimeout(20)
        fds = array.array("i")
        self.text, ancillary, _, _ = peer.recvmsg(4096, socket.CMSG_LEN(4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:4])
        self.master = fds[0]
        peer.close()

    def finish(self):
        self.thread.join(20)
        self.listener.close()
        return self.master


def read_until(fd, pattern, seconds=10):
    text = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not re.search(pattern, text):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                part = os.read(fd, 4096)
            except OSError:
                break
            if not part:
                break
            text += part
    return text


class Terminal(Case):
    def test_console_socket(self):
        receiver = Receiver(self.work + "/console.sock")
        name, bundle = self.bundle("sh", "-c", "stty size; tty; echo ok >/dev/console; read x; echo got $x; sleep 1000",
                                   terminal=True, consoleSize={"height": 31, "width": 97})
        self.gabion("create", "--bundle", bundle, "--console-socket", receiver.path, name)
        master = receiver.finish()
        self.assertIsNotNone(master)
        self.gabion("start", name)
        text = read_until(master, rb"ok")
        self.assertIn(b"31 97", text)
        self.assertIn(b"/dev/", text)
        self.assertIn(b"ok", text)
        os.write(master, b"typed\n")
        self.assertIn(b"got typed", read_until(master, rb"got typed"))
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
        self.assertIn("50 60", self.execute(name, "sh", "-c", "stty -F /dev/console size < /dev/console").out)
        os.close(master)

    def test_exec_with_a_console_socket(self):
        name = self.running()
        receiver = Receiver(self.work + "/console.sock")
        self.execute(name, "sh", "-c", "tty; id -u; read x; echo got $x; sleep 5",
                     flags=("--tty", "--detach", "--console-socket", receiver.path))
        master = receiver.finish()
        os.write(master, b"typed\n")
        text = read_until(master, rb"got typed")
        self.assertIn(b"/dev/pts/", text)
        self.assertIn(b"got typed", text)
        os.close(master)

    def on_a_pty(self, words, typed=b"", size=(24, 80)):
        """Runs with a terminal of our own as 0, 1 and 2; returns the exit code and what was shown."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        process = Process(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        text = b""
        if typed:
            text = read_until(master, rb"ready")
            os.write(master, typed)
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            text += part
        os.close(master)
        return process.wait(20), text.replace(b"\r\n", b"\n")

    def test_foreground_run(self):
        name, bundle = self.bundle("sh", "-c", "stty size; echo ready; read x; echo got $x; exit 9", terminal=True)
        code, text = self.on_a_pty(self.command("run", "--bundle", bundle, name), b"typed\r", size=(33, 99))
        self.assertEqual(code, 9, text)
        self.assertIn(b"33 99", text)
        self.assertIn(b"got typed", text)

    def test_interrupt_key(self):
        name, bundle = self.bundle("sh", "-c", "trap 'echo interrupted; exit 5' INT; echo ready; "
                                   "while :; do usleep 10000; done", terminal=True)
        code, text = self.on_a_pty(self.command("run", "--bundle", bundle, name), b"\x03")
        self.assertEqual(code, 5, text)
        self.assertIn(b"interrupted", text)

    def test_exec_on_a_terminal(self):
        name = self.running()
        code, text = self.on_a_pty(self.command("exec", "--tty", name, "sh", "-c", "tty; echo ready; read x; exit 3"),
                                   b"x\r")
        self.assertEqual(code, 3, text)
        self.assertIn(b"/dev/pts/", text)

    def test_output_is_whole(self):
        name, bundle = self.bundle("sh", "-c", "seq 1 20000", terminal=True)
        code, text = self.on_a_pty(self.command("run", "--bundle", bundle, name))
        self.assertEqual(code, 0)
        self.assertEqual(text.split(), [str(n).encode() for n in range(1, 20001)])

    def test_console_is_given_to_the_user(self):
        name, bundle = self.bundle("sh", "-c", "stat -c %u /proc/self/fd/0 $(tty); echo x > $(tty)", terminal=True,
                                   user={"uid": 1000, "gid": 1000})
        code, text = self.on_a_pty(self.command("run", "--bundle", bundle, name))
        self.assertEqual(code, 0, text)
        self.assertNotIn(b"denied", text)

    def test_wrong_uses(self):
        name, bundle = self.bundle(terminal=True)
        self.refused(self.gabion("create", "--bundle", bundle, name, check=False), "cannot allocate tty")
        name, bundle = self.bundle()
        self.refused(self.gabion("create", "--bundle", bundle, "--console-socket", "/absent", name, check=False),
                     "cannot use console socket")
        name, bundle = self.bundle(terminal=True)
        self.refused(self.gabion("create", "--bundle", bundle, "--console-socket", "/absent", name, check=False))
        self.assert_clean()


class Exec(Case):
    def test_streams_and_exit_code(self):
        name = self.running()
        self.assertEqual(self.execute(name, "sh", "-c", "exit 17", check=False).code, 17)
        self.assertEqual(self.execute(name, "sh", "-c", "kill -9 $$", check=False).code, 137)
        self.assertEqual(self.execute(name, "tr", "a-z", "A-Z", stdin="hello").out, "HELLO")

    def test_flags(self):
        name = self.running()
        done = self.execute(name, "sh", "-c", "pwd; id -u; id -g; id -G; echo $ONE $TWO",
                            flags=("--cwd", "/var", "--user", "1000:1001", "--additional-gids", "7", "--env", "ONE=1",
                                   "-e", "TWO=2"))
        self.assertEqual(done.lines, ["/var", "1000", "1001", "1001 7", "1 2"])

    def test_inherits_what_the_container_has(self):
        name = self.running(env=["PATH=/bin", "FROM=spec"], cwd="/var/www", user={"uid": 1000, "gid": 1000})
        done = self.execute(name, "sh", "-c", "pwd; id -u; echo $FROM; hostname")
        self.assertEqual(done.lines, ["/var/www", "1000", "spec", "e2e"])

    def test_is_in_every_namespace_and_cgroup(self):
        name = self.running()
        mine = self.execute(name, "sh", "-c", "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done").lines
        pid = self.state(name)["pid"]
        first = [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")]
        self.assertEqual(mine, first)
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            wanted = sorted(line.split(":", 1)[1] for line in file.read().split())
        self.execute(name, "sleep", "1000", flags=("--detach", "--pid-file", self.work + "/pid"))
        with open(self.work + "/pid", encoding="utf-8") as file, \
                open(f"/proc/{file.read()}/cgroup", encoding="utf-8") as other:
            self.assertEqual(sorted(line.split(":", 1)[1] for line in other.read().split()), wanted)

    def test_detached(self):
        name = self.running()
        self.execute(name, "sleep", "1000", flags=("--detach", "--pid-file", self.work + "/pid"))
        with open(self.work + "/pid", encoding="utf-8") as file:
            pid = int(file.read())
        self.assertIn(pid, json.loads(self.gabion("ps", "--format", "json", name).out))
        os.kill(pid, signal.SIGKILL)

    def test_forwards_signals(self):
        name = self.running()
        process = Process(self.command("exec", name, "probe", "sleep-term"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 42)
        process.stdout.close()

    def test_only_the_standard_streams(self):
        name = self.running()

        def leak():
            os.dup2(os.open("/etc/hostname", os.O_RDONLY), 3, inheritable=True)
        done = self.execute(name, "probe", "fds", preexec_fn=leak, close_fds=False)
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2"], done.out)
        done = self.execute(name, "probe", "fds", flags=("--preserve-fds", "1"), preexec_fn=leak, close_fds=False)
        self.assertEqual([line.split()[0] for line in done.lines], ["0", "1", "2", "3"], done.out)

    def test_in_a_created_container(self):
        name = self.created()
        self.assertEqual(self.execute(name, "echo", "early").out, "early")
        self.assertEqual(self.status(name), "created")

    def test_in_a_stopped_container(self):
        name = self.running("true")
        self.wait_status(name, "stopped")
        self.refused(self.execute(name, "true", check=False), "stopped container")

    def test_process_file(self):
        name = self.running()
        file = self.work + "/process.json"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump({"terminal": False, "user": {"uid": 7, "gid": 8}, "args": ["sh", "-c", "id -u; pwd"],
                       "env": ["PATH=/bin"], "cwd": "/etc"}, stream)
        self.assertEqual(self.gabion("exec", "--process", file, name).lines, ["7", "/etc"])
        with open(file, "w", encoding="utf-8") as stream:
            stream.write('{"args": 7}')
        self.refused(self.gabion("exec", "--process", file, name, check=False), "args")

    def test_many_at_once(self):
        name = self.running()
        processes = [Process(self.command("exec", name, "sh", "-c", f"exit {n}"), stdin=subprocess.DEVNULL)
                     for n in range(20)]
        self.assertEqual([process.wait(60) for process in processes], list(range(20)))
        self.assertTrue(wait_until(lambda: len(json.loads(self.gabion("ps", "--format", "json", name).out)) == 1))


if __name__ == "__main__":
    unittest.main()
