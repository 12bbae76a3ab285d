"""config.json that is malformed, truncated, hostile or huge: a clear error, in bounded time and memory."""

import copy
import json
import os
import resource
import time
import unittest

from faults import FaultCase, only_gabion


@only_gabion
class Config(FaultCase):
    def setUp(self):
        super().setUp()
        self.name, self.directory = self.bundle("true")
        with open(self.directory + "/config.json", "rb") as file:
            self.good = file.read()

    def create(self, text, timeout=20):
        with open(self.directory + "/config.json", "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.gabion("create", "--bundle", self.directory, self.name, check=False, timeout=timeout)

    def refuses(self, text, *words, timeout=20):
        done = self.spoken(self.create(text, timeout))
        for word in words:
            self.assertIn(word, done.err)
        self.assertLess(len(done.err), 5000, "the error drowns its message")
        self.assertEqual(self.leftovers(), [], str(done))
        return done

    def with_change(self, change):
        document = copy.deepcopy(json.loads(self.good))
        change(document)
        return json.dumps(document)

    def test_not_json(self):
        for text in ("", " ", "{", "[]", "null", "1", '"x"', "{}x", "{} {}", "{,}", '{"a":}', "{'a':1}", "\x00", "\xff\xfe",
                     "{\"ociVersion\": nul}", "// comment\n{}"):
            self.refuses(text)

    def test_truncated(self):
        offsets = list(range(0, 60)) + list(range(60, len(self.good) - 1, 37)) + [len(self.good) - 1]
        for offset in offsets:
            self.refuses(self.good[:offset])

    def test_one_byte_changed(self):
        """Any byte replaced by NUL or by a byte that is not UTF-8."""
        for offset in range(0, len(self.good), 61):
            for byte in (b"\0", b"\xff"):
                self.refuses(self.good[:offset] + byte + self.good[offset + 1:])

    def test_nesting(self):
        for depth in (1000, 1_000_000):
            for opening, closing in ("[]", "{}"):
                inner = opening * depth if opening == "[" else '{"a":' * depth
                self.refuses('{"annotations":' + inner + closing * depth + "}")
                self.refuses('{"annotations":' + inner)  # not even closed

    def test_duplicate_keys(self):
        """Engines in Go take the last, yajl the first: whoever judged it saw another file."""
        text = self.good.decode()
        self.refuses(text[:-1] + ', "root": {"path": "/"}}', "root")
        self.refuses(text.replace('"user": {', '"user": {"uid": 7, ', 1), "uid")
        self.refuses('{"a": 1, "\\u0061": 2}')

    def test_nul_in_strings(self):
        for change in (
                lambda d: d["process"].update(args=["sh\0-c"]),
                lambda d: d["process"].update(cwd="/\0x"),
                lambda d: d["root"].update(path="rootfs\0x"),
                lambda d: d["process"]["env"].append("A=\0"),
                lambda d: d.update(hostname="a\0b"),
                lambda d: d["mounts"][0].update(destination="/proc\0"),
                lambda d: d["linux"].update(cgroupsPath="/a\0b"),
                lambda d: d.update(annotations={"a\0": "b"})):
            self.refuses(self.with_change(change))

    def test_numbers_out_of_range(self):
        for number in ("-1", "4294967296", "18446744073709551616", "1e99", "1.5", "-0.1", "1e-1", "9" * 400):
            self.refuses(self.good.decode().replace('"uid": 0', f'"uid": {number}', 1), "uid")

        def resources(value):
            return self.with_change(lambda d: d["linux"].update(resources=value))
        for value in ({"pids": {"limit": 1 << 80}}, {"memory": {"limit": 1 << 80}}, {"cpu": {"shares": -1}},
                      {"cpu": {"quota": "many"}}):
            self.refuses(resources(value))
        for value in ({"type": "RLIMIT_NOFILE", "soft": 10, "hard": 5}, {"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1},
                      {"type": "RLIMIT_NOFILE", "soft": -1, "hard": 1}):
            self.refuses(self.with_change(lambda d, value=value: d["process"].update(rlimits=[value])), "rlimit")

    def test_wrong_types(self):
        """Every field of the document in turn, given a value of another type."""
        def paths(value, path=()):
            if isinstance(value, dict):
                for key, item in value.items():
                    yield path + (key,)
                    yield from paths(item, path + (key,))
            elif isinstance(value, list) and value:
                yield path + (0,)
                yield from paths(value[0], path + (0,))
        document = json.loads(self.good)
        for path in list(paths(document)):
            changed = copy.deepcopy(document)
            place = changed
            for step in path[:-1]:
                place = place[step]
            old = place[path[-1]]
            place[path[-1]] = {"x": 1} if not isinstance(old, dict) else ["x"]
            self.refuses(json.dumps(changed))

    def test_required_fields(self):
        for change in (lambda d: d.pop("ociVersion"), lambda d: d.pop("root"), lambda d: d["root"].pop("path"),
                       lambda d: d["process"].pop("args"), lambda d: d["process"].update(args=[]),
                       lambda d: d["process"].update(args=[""]),
                       lambda d: d["process"].update(cwd="relative"), lambda d: d["process"].pop("cwd"),
                       lambda d: d.update(ociVersion="9.0.0"), lambda d: d.update(ociVersion="x"),
                       lambda d: d["mounts"][0].pop("destination"),
                       lambda d: d["linux"]["namespaces"].append({"type": "pid"}),
                       lambda d: d["linux"]["namespaces"].append({"type": "nonsense"}),
                       lambda d: d["linux"]["seccomp"].update(defaultAction="SCMP_ACT_NONSENSE"),
                       lambda d: d["process"]["capabilities"].update(bounding=["CAP_NONSENSE"]) or
                       d["process"].update(user={"uid": 0, "gid": 0, "umask": 0o10000})):
            done = self.create(self.with_change(change))
            if done.code == 0:  # the specification lets it pass, as runc does
                self.gabion("delete", "--force", self.name)
            else:
                self.spoken(done)
            self.assert_clean()

    def test_huge_file(self):
        """100 MB of valid JSON: refused by its size, without reading it into memory."""
        path = self.directory + "/config.json"
        with open(path, "wb") as file:
            file.write(self.good[:-1] + b', "annotations": {"a": "')
            for _ in range(100):
                file.write(b"x" * (1 << 20))
            file.write(b'"}}')
        started = time.monotonic()

        def confine():
            resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))
        done = self.gabion("create", "--bundle", self.directory, self.name, check=False, preexec_fn=confine)
        self.spoken(done)
        self.assertIn("larger than", done.err)
        self.assertLess(time.monotonic() - started, 5)
        self.assert_clean()

    def test_endless_file(self):
        os.unlink(self.directory + "/config.json")
        os.symlink("/dev/zero", self.directory + "/config.json")
        self.spoken(self.gabion("create", "--bundle", self.directory, self.name, check=False, timeout=20))
        self.assert_clean()

    def test_many_members(self):
        """A large but legal document works, and within bounds of time."""
        text = self.with_change(lambda d: d.update(annotations={f"key{n}": "x" * 20 for n in range(20000)}))
        started = time.monotonic()
        done = self.create(text)
        self.assertLess(time.monotonic() - started, 10)
        if done.code == 0:
            self.assertEqual(self.status(self.name), "created")
            self.gabion("delete", "--force", self.name)
        else:
            self.spoken(done)

    def test_large_arguments(self):
        """More than execve(2) takes: an error in words."""
        self.spoken(self.create(self.with_change(lambda d: d["process"].update(args=["true", "x" * (200 << 10)])))
                    if False else self.run_with(lambda d: d["process"].update(args=["true", "x" * (200 << 10)])))
        self.assert_clean()
        self.spoken(self.run_with(lambda d: d["process"].update(env=["PATH=/bin"] + ["A%d=%s" % (n, "x" * 100000)
                                                                                 for n in range(40)])))
        self.assert_clean()

    def run_with(self, change):
        with open(self.directory + "/config.json", "w", encoding="utf-8") as file:
            file.write(self.with_change(change))
        return self.gabion("run", "--bundle", self.directory, self.name, check=False)

    def test_fifo_as_config(self):
        os.unlink(self.directory + "/config.json")
        os.mkfifo(self.directory + "/config.json")
        self.spoken(self.gabion("create", "--bundle", self.directory, self.name, check=False, timeout=10))
        self.assert_clean()

    def test_directory_and_socket_as_config(self):
        path = self.directory + "/config.json"
        os.unlink(path)
        os.mkdir(path)
        self.spoken(self.gabion("create", "--bundle", self.directory, self.name, check=False))
        os.rmdir(path)
        os.symlink(path, path)
        self.spoken(self.gabion("create", "--bundle", self.directory, self.name, check=False))
        self.assert_clean()

    def test_bundle_that_is_none(self):
        for bundle in (self.work + "/absent", "/etc/passwd", self.work, "", "/dev/null", "x" * 5000):
            self.spoken(self.gabion("create", "--bundle", bundle, self.name, check=False))
        self.assert_clean()

    def test_too_many_mounts(self):
        """Of ten thousand tmpfs the kernel's limit or ours stops some: nothing stays."""
        def change(document):
            document["mounts"] += [{"destination": f"/opt/m{n}", "type": "tmpfs", "source": "tmpfs", "options": ["size=1k"]}
                                   for n in range(3000)]
        done = self.create(self.with_change(change), timeout=60)
        if done.code == 0:
            self.gabion("delete", "--force", self.name)
        else:
            self.spoken(done)
        self.assert_clean()

    def test_few_descriptors(self):
        """With almost no descriptors to be had, an error and nothing left."""
        def confine():
            resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
        done = self.gabion("create", "--bundle", self.directory, self.name, check=False, preexec_fn=confine)
        self.spoken(done)
        self.gabion("delete", "--force", self.name)
        self.assert_clean()

    def test_every_number_of_descriptors(self):
        for limit in range(4, 60, 3):
            def confine(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            done = self.gabion("create", "--bundle", self.directory, self.name, check=False, preexec_fn=confine)
            if done.code != 0:
                self.spoken(done)
            self.gabion("delete", "--force", self.name)
            self.assert_clean(f"with {limit} descriptors")

    def test_process_file_of_exec(self):
        name = self.running()
        path = self.work + "/process.json"
        for text in (b"", b"{", b"[]", b"null", b'{"args": []}', b'{"args": ["true"], "cwd": "x"}',
                     b'{"args": ["true"], "args": ["false"], "cwd": "/"}', b"[" * 1_000_000, b'{"args":["a\\u0000b"],"cwd":"/"}'):
            with open(path, "wb") as file:
                file.write(text)
            self.spoken(self.gabion("exec", "--process", path, name, check=False))
        self.assertEqual(self.execute(name, "echo", "alive").out, "alive")

    def test_resources_of_update(self):
        name = self.running()
        for text in ("", "{", "[]", "[" * 1_000_000, '{"pids": {"limit": 1}, "pids": {"limit": 2}}',
                     '{"memory": {"limit": 99999999999999999999}}', '{"pids": []}'):
            self.spoken(self.gabion("update", "--resources", "-", name, check=False, stdin=text))
        self.assertEqual(self.status(name), "running")

    def test_policy_file(self):
        for text in (b"", b"{", b"[]", b"[" * 1_000_000, b'{"extends": "nonsense"}', b'{"nonsense": 1}',
                     b'{"extends": "restricted", "pids": "many"}', b'{"extends": "restricted", "pids": 1, "pids": 2}',
                     b'{"extends": "restricted", "rules": {"nonsense.rule": "warn"}}'):
            self.policy_file = self.work + "/policy.json"
            with open(self.policy_file, "wb") as file:
                file.write(text)
            self.spoken(self.gabion("create", "--bundle", self.directory, self.name, check=False))
            self.spoken(self.gabion("policy", "check", self.policy_file, check=False))
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
