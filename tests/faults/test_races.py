"""Many runtimes at once on one container, and many containers at once."""

import json
import os
import signal
import subprocess
import threading
import time
import unittest

from faults import FaultCase, Process, only_gabion, wait_until


@only_gabion
class Races(FaultCase):
    def at_once(self, commands):
        """Runs them together; [(exit code, error text)] in order."""
        files = [open(f"{self.work}/out{number}", "w+b") for number in range(len(commands))]
        processes = [Process(self.command(*words), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
                     for words, file in zip(commands, files)]
        results = []
        for process, file in zip(processes, files):
            code = process.finish(90)
            self.assertIsNotNone(code, "hangs")
            file.seek(0)
            results.append((code, file.read().decode(errors="replace")))
            file.close()
        return results

    def test_one_id_sixteen_creates(self):
        name, bundle = self.bundle()
        for _ in range(5):
            results = self.at_once([("create", "--bundle", bundle, name)] * 16)
            winners = [code for code, _ in results if code == 0]
            self.assertEqual(len(winners), 1, results)
            for code, text in results:
                if code != 0:
                    self.assertIn("already exists", text)
            self.assertEqual(self.status(name), "created")
            self.gabion("delete", "--force", name)
            self.assert_clean()

    def test_two_starts(self):
        name, bundle = self.bundle("sh", "-c", "echo x >> /tmp/started; sleep 1000")
        for _ in range(10):
            self.gabion("create", "--bundle", bundle, name)
            results = self.at_once([("start", name)] * 4)
            self.assertEqual(sorted(code == 0 for code, _ in results), [False, False, False, True], results)
            self.assertEqual(self.status(name), "running")
            pid = self.state(name)["pid"]
            self.assertTrue(wait_until(lambda: os.path.exists(f"/proc/{pid}/root/tmp/started")))
            self.assertEqual(self.execute(name, "cat", "/tmp/started").out, "x")
            self.gabion("delete", "--force", name)

    def test_start_against_delete(self):
        name, bundle = self.bundle()
        for _ in range(15):
            self.gabion("create", "--bundle", bundle, name)
            results = self.at_once([("start", name), ("delete", "--force", name)])
            self.assertEqual(results[1][0], 0, results)
            self.gabion("delete", "--force", name)
            self.assert_clean()

    def test_create_against_delete(self):
        name, bundle = self.bundle()
        for _ in range(15):
            results = self.at_once([("create", "--bundle", bundle, name), ("delete", "--force", name),
                                    ("delete", "--force", name), ("state", name)])
            self.assertEqual([code for code, _ in results[1:3]], [0, 0], results)
            self.gabion("delete", "--force", name)
            self.assert_clean()

    def test_many_deletes(self):
        name, bundle = self.bundle()
        for _ in range(5):
            self.gabion("run", "--detach", "--bundle", bundle, name)
            results = self.at_once([("delete", "--force", name)] * 8)
            self.assertEqual([code for code, _ in results], [0] * 8, results)
            self.assert_clean()

    def test_everything_at_once(self):
        """Whatever wins, nothing hangs, nothing crashes, and the end is clean."""
        name, bundle = self.bundle()
        for _ in range(4):
            self.gabion("create", "--bundle", bundle, name)
            commands = [("start", name), ("pause", name), ("resume", name), ("exec", name, "true"), ("state", name),
                        ("ps", name), ("list",), ("update", "--pids-limit", "30", name), ("kill", name, "TERM"),
                        ("events", "--stats", name), ("kill", "--all", name, "KILL"), ("delete", name)]
            for code, text in self.at_once(commands):
                self.assertIn(code, (0, 1, 255, 143, 137), text)
            self.gabion("delete", "--force", name)
            self.assert_clean()

    def test_thirty_containers(self):
        bundles = [self.bundle("sh", "-c", f"exit {number}") for number in range(30)]
        results = self.at_once([("run", "--bundle", bundle, name) for name, bundle in bundles])
        self.assertEqual([code for code, _ in results], list(range(30)), results)
        self.assert_clean()

    def test_thirty_containers_have_thirty_id_ranges(self):
        bundles = [self.bundle() for _ in range(30)]
        results = self.at_once([("create", "--bundle", bundle, name) for name, bundle in bundles])
        self.assertEqual([code for code, _ in results], [0] * 30, results)
        seen = set()
        for name, _ in bundles:
            with open(f"/proc/{self.state(name)['pid']}/uid_map", encoding="utf-8") as file:
                seen.add(file.read().split()[1])
        self.assertEqual(len(seen), 30)
        self.assertEqual(len(self.id_links()), 30)
        results = self.at_once([("start", name) for name, _ in bundles])
        self.assertEqual([code for code, _ in results], [0] * 30, results)
        results = self.at_once([("delete", "--force", name) for name, _ in bundles])
        self.assertEqual([code for code, _ in results], [0] * 30, results)
        self.assert_clean()

    def test_the_audit_log_is_whole(self):
        """Thirty writers: every line is JSON, and no number is missing or used twice."""
        bundles = [self.bundle("true") for _ in range(30)]
        self.at_once([("run", "--bundle", bundle, name) for name, bundle in bundles])
        events = self.events()
        self.assertEqual([event["seq"] for event in events],
                         list(range(events[0]["seq"], events[0]["seq"] + len(events))))
        created = {event["container"] for event in events if event["event"] == "container.create"}
        self.assertEqual(created, {name for name, _ in bundles})

    def test_exec_against_the_end(self):
        name, bundle = self.bundle("sleep", "0.05")
        for _ in range(10):
            self.gabion("run", "--detach", "--bundle", bundle, name)
            for code, text in self.at_once([("exec", name, "sleep", "1000") for _ in range(4)]):
                self.assertIn(code, (137, 255, 1), text)
            self.wait_status(name, "stopped")
            self.gabion("delete", name)
            self.assert_clean()

    def test_forkbomb_ends(self):
        name = self.running("sh", "-c", "f() { f | f & }; f; while :; do f; done",
                            edit=lambda d: d["linux"].update(resources={"pids": {"limit": 100}}))
        time.sleep(0.3)
        self.gabion("delete", "--force", name)
        self.assert_clean()

    def test_pids_of_others_are_not_touched(self):
        """The pid in the state belongs to another process now: neither kill nor delete may reach it."""
        name = self.running("true")
        self.wait_status(name, "stopped")
        bystander = Process(["sleep", "1000"])
        path = f"{self.root}/{name}/state.json"
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        changed = json.loads(json.dumps(state))

        def replace(value):
            if isinstance(value, dict):
                for key, item in value.items():
                    if "pid" in key.lower() and isinstance(item, int) and not isinstance(item, bool) and item > 1:
                        value[key] = bystander.pid
                    replace(item)
        replace(changed)
        self.assertNotEqual(changed, state)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(changed, file)
        self.assertEqual(self.status(name), "stopped")
        self.gabion("kill", name, "KILL", check=False)
        self.gabion("kill", "--all", name, "KILL", check=False)
        self.gabion("delete", "--force", name)
        self.assertIsNone(bystander.poll())
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()

    def test_threads_of_one_caller(self):
        """An engine calls from many threads: nothing may depend on the caller's order."""
        bundles = [self.bundle("true") for _ in range(12)]
        codes = {}

        def life(name, bundle):
            codes[name] = [self.gabion(*words, check=False).code for words in
                           (("create", "--bundle", bundle, name), ("start", name), ("delete", "--force", name))]
        threads = [threading.Thread(target=life, args=pair) for pair in bundles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(map(tuple, codes.values())), {(0, 0, 0)})


if __name__ == "__main__":
    unittest.main()
