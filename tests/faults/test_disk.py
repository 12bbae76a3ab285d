"""Full disks: of the state directory, of the audit log, of the pid file. And a damaged state directory."""

import json
import os
import random
import shutil
import socket
import subprocess
import unittest

from faults import FaultCase, only_gabion


class Small:
    """A tmpfs of a few pages, made in the test's own mount namespace."""

    def __init__(self, path, size="64k", inodes=0):
        self.path = path
        os.makedirs(path, exist_ok=True)
        options = f"size={size},mode=700" + (f",nr_inodes={inodes}" if inodes else "")
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)

    def fill(self, leave=0):
        path = self.path + "/filler"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:  # not even a name more
            return
        try:
            while True:
                os.write(file, b"x" * 4096)
        except OSError:
            pass
        finally:
            os.close(file)
        os.truncate(path, max(0, os.path.getsize(path) - leave))

    def empty(self):
        if os.path.exists(self.path + "/filler"):
            os.unlink(self.path + "/filler")

    def remove(self):
        subprocess.run(["umount", "--lazy", self.path], check=True)


class DiskCase(FaultCase):
    def small(self, path, **options):
        made = Small(path, **options)
        self.disks.append(made)
        return made

    def setUp(self):
        self.disks = []
        super().setUp()

    def leave(self):
        # What is on them must be deleted before they go.
        for disk in self.disks:
            disk.empty()
        for name in sorted(self.ids):
            self.gabion("delete", "--force", name, check=False)
        for disk in self.disks:
            disk.remove()
        super().leave()

    def leftovers(self):
        # The small file systems themselves are the test's.
        return [entry for entry in super().leftovers() if not entry.startswith("mount ")]


@only_gabion
class Full(DiskCase):
    def setUp(self):
        super().setUp()
        self.name, self.directory = self.bundle()

    def create(self, *flags):
        return self.gabion("create", "--bundle", self.directory, *flags, self.name, check=False)

    def clear(self, message):
        self.gabion("delete", "--force", self.name)
        self.assertEqual([entry for entry in self.leftovers() if "filler" not in entry and "lost+found" not in entry], [],
                         message)

    def test_state_directory(self):
        disk = self.small(self.root, size="64k")
        for leave in (0, 4096, 8192, 12288, 16384, 20480, 24576, 32768):
            disk.fill(leave)
            done = self.create()
            if done.code != 0:
                self.spoken(done)
            self.clear(f"{leave} bytes free: {done}")
            disk.empty()
        self.assertEqual(self.create().code, 0)
        disk.fill()
        # With not a byte to be had, what runs can still be looked at, killed and deleted.
        self.assertEqual(self.status(self.name), "created")
        self.gabion("kill", self.name, "KILL")
        self.wait_status(self.name, "stopped")
        self.gabion("delete", self.name)
        disk.empty()

    def test_start_with_a_full_state_directory(self):
        disk = self.small(self.root, size="64k")
        self.assertEqual(self.create().code, 0)
        disk.fill()
        done = self.gabion("start", self.name, check=False)
        if done.code != 0:
            self.spoken(done)
            self.assertEqual(self.status(self.name), "created")
            disk.empty()
            self.gabion("start", self.name)
        else:
            disk.empty()
        self.assertEqual(self.status(self.name), "running")

    def test_inodes_of_the_state_directory(self):
        for inodes in (2, 3, 4, 5, 6, 7):
            disk = Small(self.root, size="1m", inodes=inodes)
            try:
                done = self.create()
                if done.code != 0:
                    self.spoken(done)
                self.clear(f"{inodes} inodes: {done}")
            finally:
                disk.remove()

    def test_audit_log(self):
        """No log, no start."""
        disk = self.small(self.work + "/log", size="4k")
        self.audit = self.work + "/log/audit.jsonl"
        disk.fill()
        self.refused(self.create(), "audit")
        self.clear("audit log on a full disk")
        disk.empty()

    def pids_limit(self):
        for directory in self.cgroups(self.name):
            if os.path.exists(directory + "/pids.max"):
                with open(directory + "/pids.max", encoding="utf-8") as file:
                    return int(file.read())
        return None

    def test_audit_log_fills_up_in_between(self):
        disk = self.small(self.work + "/log", size="64k")
        self.audit = self.work + "/log/audit.jsonl"
        self.assertEqual(self.create().code, 0)
        disk.fill()
        done = 1000
        for limit in range(1001, 1050):  # the last page of the log still takes some lines
            result = self.gabion("update", "--pids-limit", str(limit), self.name, check=False)
            if result.code != 0:
                self.refused(result, "audit")
                break
            done = limit
        else:
            self.fail("the log never filled up")
        if done > 1000:
            self.assertEqual(self.pids_limit(), done, "changed without a line in the log")
        self.refused(self.gabion("exec", self.name, "true", "x" * 4000, check=False), "audit")
        disk.empty()
        self.gabion("start", self.name)
        disk.fill()
        self.gabion("kill", self.name, "KILL")  # what stops a container is never refused
        self.wait_status(self.name, "stopped")
        self.gabion("delete", self.name)
        disk.empty()
        self.assertEqual(self.create().code, 0)
        lines = self.log_lines()
        self.assertEqual(json.loads(lines[-1])["event"], "container.create")
        recorded = [json.loads(line)["event"] for line in lines if self.is_json(line)]
        self.assertEqual(recorded.count("container.update"), done - 1000)

    def log_lines(self):
        """A line that did not fit is closed off with "!", so that none after it is lost."""
        with open(self.audit, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in lines:
            self.assertTrue(self.is_json(line) or line.endswith("!"), line)
        return lines

    @staticmethod
    def is_json(line):
        try:
            json.loads(line)
            return True
        except ValueError:
            return False

    def test_every_size_of_the_audit_disk(self):
        """The record itself is what does not fit."""
        disk = self.small(self.work + "/log", size="64k")
        self.audit = self.work + "/log/audit.jsonl"
        for leave in (4096, 8192, 12288):
            disk.fill(leave)
            for _ in range(12):
                done = self.create()
                self.gabion("delete", "--force", self.name)
                if done.code != 0:
                    self.refused(done, "audit")
                    break
            else:
                self.fail("the disk never filled up")
            disk.empty()
            self.assertEqual(self.create().code, 0)
            self.gabion("delete", "--force", self.name)
            self.assertTrue(self.is_json(self.log_lines()[-1]))
            os.unlink(self.audit)

    def test_read_only_audit_log(self):
        disk = self.small(self.work + "/log", size="64k")
        self.audit = self.work + "/log/audit.jsonl"
        subprocess.run(["mount", "-o", "remount,ro", disk.path], check=True)
        self.refused(self.create(), "audit")
        self.clear("read-only audit log")

    def test_pid_file(self):
        disk = self.small(self.work + "/pid", size="4k")
        disk.fill()
        self.refused(self.create("--pid-file", self.work + "/pid/file"), "pid file")
        self.clear("pid file on a full disk")
        self.refused(self.create("--pid-file", self.work + "/absent/file"), "pid file")
        self.clear("pid file in no directory")
        name = self.created()
        self.assertNotEqual(self.execute(name, "sleep", "1000", flags=("--detach", "--pid-file", self.work + "/pid/file"),
                                         check=False).code, 0)
        self.assertEqual(len(json.loads(self.gabion("ps", "--format", "json", name).out)), 1)
        disk.empty()

    def test_output_that_cannot_be_written(self):
        self.create()
        for words in (("state", self.name), ("list",), ("features",), ("--version",), ("ps", self.name)):
            done = subprocess.run(["sh", "-c", '"$@" > /dev/full', "sh", *self.command(*words)], capture_output=True,
                                  check=False)
            self.assertNotEqual(done.returncode, 0, words)

    def test_log_file_that_cannot_be_written(self):
        self.gabion("--log", "/dev/full", "create", "--bundle", self.directory, self.name, check=False)
        self.clear("log file on /dev/full")


@only_gabion
class Damaged(DiskCase):
    """delete on anything."""

    def damage(self, change):
        name, bundle = self.bundle()
        self.gabion("create", "--bundle", bundle, name)
        pid = self.state(name)["pid"]
        change(f"{self.root}/{name}")
        for words in (("state", name), ("list",), ("kill", name, "TERM"), ("start", name), ("ps", name),
                      ("pause", name), ("exec", name, "true"), ("update", "--pids-limit", "9", name)):
            done = self.gabion(*words, check=False)
            self.assertTrue(0 <= done.code < 128 or done.code == 255, str(done))
        self.gabion("delete", "--force", name)
        self.assertEqual(os.listdir(self.root), [])
        return pid

    def lost(self, change):
        """The state cannot be read any more: delete must still end the process and free everything."""
        self.damage(change)
        self.assert_clean()

    def test_truncated_state(self):
        chance = random.Random(7)
        for _ in range(6):
            share = chance.random()

            def change(directory, share=share):
                path = directory + "/state.json"
                os.truncate(path, int(os.path.getsize(path) * share))
            self.lost(change)

    def test_state_of_another_kind(self):
        for text in ("", "{}", "[]", "null", "\0" * 100, "[" * 100000, '{"id": 7}', '{"version": 99}', "x" * 1000):
            def change(directory, text=text):
                with open(directory + "/state.json", "w", encoding="utf-8") as file:
                    file.write(text)
            self.lost(change)

    def test_state_removed(self):
        self.lost(lambda directory: os.unlink(directory + "/state.json"))

    def test_state_is_something_else(self):
        def as_directory(directory):
            os.unlink(directory + "/state.json")
            os.mkdir(directory + "/state.json")

        def as_fifo(directory):
            os.unlink(directory + "/state.json")
            os.mkfifo(directory + "/state.json")

        def as_link(directory):
            os.unlink(directory + "/state.json")
            os.symlink("/etc/passwd", directory + "/state.json")
        for change in (as_directory, as_fifo, as_link):
            self.lost(change)

    def test_config_removed_or_damaged(self):
        self.lost(lambda directory: os.unlink(directory + "/config.json"))
        self.lost(lambda directory: os.truncate(directory + "/config.json", 100))

    def test_start_socket_removed(self):
        self.lost(lambda directory: os.unlink(directory + "/start.sock"))

    def test_junk(self):
        def junk(directory):
            os.makedirs(directory + "/a/b/c")
            os.mkfifo(directory + "/a/fifo")
            os.symlink("/etc", directory + "/a/etc")
            with open(directory + "/a/b/file", "w", encoding="utf-8") as file:
                file.write("x" * 100000)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(directory + "/a/sock")
        self.lost(junk)
        self.assertTrue(os.path.isfile("/etc/passwd"))

    def test_half_created(self):
        """What a create killed at once leaves: a directory, with or without its lock."""
        self.created()
        for content in ((), ("lock",), ("lock", "config.json"), ("lock", "state.json.1.tmp")):
            name = self.new_id()
            os.mkdir(f"{self.root}/{name}", 0o700)
            for entry in content:
                open(f"{self.root}/{name}/{entry}", "w", encoding="utf-8").close()
            self.assertIn(name, self.gabion("list", "-q").lines)
            self.refused(self.gabion("start", name, check=False))
            self.gabion("delete", "--force", name)
            self.assertFalse(os.path.exists(f"{self.root}/{name}"))

    def test_foreign_directory(self):
        """Docker gives all runtimes one --root: what is not gabion's is not deleted."""
        self.created()
        os.makedirs(self.root + "/foreign")
        with open(self.root + "/foreign/state.json", "w", encoding="utf-8") as file:
            file.write('{"id": "foreign", "init_process_pid": 1}')
        self.assertNotIn("foreign", self.gabion("list", "-q").lines)
        self.refused(self.gabion("kill", "foreign", "KILL", check=False), "does not exist")
        self.gabion("delete", "--force", "foreign")
        self.assertTrue(os.path.exists(self.root + "/foreign/state.json"))
        shutil.rmtree(self.root + "/foreign")

    def test_state_directory_others_may_write(self):
        self.created()
        os.chmod(self.root, 0o777)
        self.refused(self.gabion("list", check=False), "chmod")
        os.chmod(self.root, 0o700)

    def test_state_directory_as_a_link_or_file(self):
        name, bundle = self.bundle()
        root = self.root
        open(root, "w", encoding="utf-8").close()
        self.spoken(self.gabion("create", "--bundle", bundle, name, check=False))
        os.unlink(root)

    def test_cgroup_removed_or_used_by_another(self):
        """What somebody else put into the container's cgroup must not be in the way for ever."""
        name, bundle = self.bundle("true")
        self.gabion("run", "--detach", "--bundle", bundle, name)
        self.wait_status(name, "stopped")
        for path in self.cgroups(name):
            os.rmdir(path)
        self.gabion("delete", name)
        self.gabion("create", "--bundle", bundle, name)
        for path in self.cgroups(name):
            os.mkdir(path + "/inner")
        self.gabion("delete", "--force", name)
        self.assert_clean()

    def test_bundle_removed(self):
        name, bundle = self.bundle()
        self.gabion("create", "--bundle", bundle, name)
        shutil.rmtree(bundle)
        self.assertEqual(self.status(name), "created")
        self.gabion("start", name, check=False)
        self.gabion("delete", "--force", name)
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
