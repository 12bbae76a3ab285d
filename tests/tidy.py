"""clang-tidy over the whole tree, beside everything else and behind it: alone it would take a third of the whole time.

What was found clean is not looked at again while nothing changes that it depends on: the file, everything it includes,
the command that compiles it, the rules and clang-tidy itself.
"""

import concurrent.futures
import glob
import hashlib
import json
import os
import subprocess
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("GABION_TEST_CACHE", "/var/cache/gabion-tests"), "tidy")
TIDY = ["clang-tidy-16", "-quiet", f"--config-file={SOURCE}/.clang-tidy", "--warnings-as-errors=*"]
KEPT_DAYS = 30


def files(*patterns):
    found = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=SOURCE,
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return [name for name in found if os.path.exists(os.path.join(SOURCE, name))]


class Digests:
    """Of files, each read once."""

    def __init__(self):
        self.known = {}

    def of(self, path):
        if path not in self.known:
            with open(path, "rb") as file:
                self.known[path] = hashlib.sha256(file.read()).hexdigest()
        return self.known[path]


def dependencies(build):
    """{object: everything that was read to make it}, as ninja has noted it."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {}
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        if lines and lines[0].endswith("(VALID)"):
            found[lines[0].split(": #deps")[0]] = [os.path.join(build, line.strip()) for line in lines[1:]]
    return found


class Tidy:
    """As many threads as processors, each with a few files at a time."""

    BATCH = 4

    def __init__(self, build):
        os.makedirs(CACHE, exist_ok=True)
        self.digests = Digests()
        self.version = subprocess.run([TIDY[0], "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.keys = {source: key for source, key in self.sources(build) if not self.is_clean(key)}
        todo = sorted(self.keys)
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
        self.running = [self.pool.submit(self.check_names, self.all_headers(build))]
        for first in range(0, len(todo), self.BATCH):
            self.running.append(self.pool.submit(self.check, build, todo[first:first + self.BATCH]))

    def sources(self, build):
        """(source, what its verdict depends on) of everything but tests and what is generated."""
        read = dependencies(build)
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            entries = json.load(file)
        for entry in entries:
            source = entry["file"]
            if source.startswith((SOURCE + "/tests/", build)):
                continue
            output = entry["command"].split(" -o ")[1].split()[0]
            inputs = sorted({os.path.realpath(path) for path in read[output]} | {source})
            text = [self.version, self.digests.of(SOURCE + "/.clang-tidy"), entry["command"].replace(SOURCE, "")]
            text += [path.removeprefix(SOURCE) + " " + self.digests.of(path) for path in inputs]
            yield source, hashlib.sha256("\n".join(text).encode()).hexdigest()

    @staticmethod
    def is_clean(key):
        try:
            os.utime(f"{CACHE}/{key}")
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def all_headers(build):
        path = os.path.join(build, "headers.cc")
        with open(path, "w", encoding="utf-8") as file:
            for name in files("sandbox/*.h", "shim/*.h"):
                file.write(f'#include "{name}"\n')
        return path

    @staticmethod
    def run(*words):
        done = subprocess.run(["nice", "-n", "19", *TIDY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, cwd=SOURCE, check=False)
        return done.returncode == 0, done.stdout.decode(errors="replace")

    def check_names(self, headers):
        """Once for all that others see: in every file that includes them they cost a quarter of the time."""
        return self.run("--checks=-*,readability-identifier-naming", headers, "--", "-std=c++2b", "-D_GNU_SOURCE",
                        "-DGABION_VERSION=\"\"", "-I" + SOURCE, f"-I{SOURCE}/sandbox")

    def check(self, build, sources):
        ok, text = self.run("-p", build, *sources)
        for source in sources if ok else []:
            with open(f"{CACHE}/{self.keys[source]}", "w", encoding="utf-8") as file:
                file.write(source.removeprefix(SOURCE + "/") + "\n")
        return ok, text

    def finish(self, tally):
        results = [future.result() for future in self.running]
        self.pool.shutdown()
        for path in glob.glob(CACHE + "/*"):
            if os.stat(path).st_mtime < time.time() - KEPT_DAYS * 86400:
                os.unlink(path)
        tally.check("lint clang-tidy", all(ok for ok, _ in results), "".join(text for _, text in results))
