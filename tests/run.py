#!/usr/bin/env python3
"""Runs lints and tests and counts single cases, whichever tool runs them.

  tests/run.py --build DIR [lint] [unit] [suites]   writes DIR/results.json
  tests/run.py --sum FILE...                        prints the sum of such files

The last line is always "N passed, N failed"; the exit status is 0 when nothing failed. A program that
dies without a result, or a result file that is missing, counts as one failure.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = ("e2e", "faults", "engines", "escapes", "misconfigurations", "vm")


class Tally:
    def __init__(self):
        self.passed, self.skipped, self.failures = 0, 0, []

    def check(self, name, ok, output=""):
        if ok:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failures.append(name)
            print(f"FAIL  {name}\n{output}", flush=True)


def command(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          cwd=SOURCE, check=False, **options)
    return done.returncode == 0, done.stdout


def files(*patterns):
    found = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=SOURCE,
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return [name for name in found if os.path.exists(os.path.join(SOURCE, name))]


# --- lints -------------------------------------------------------------------------------------

def lint(build, tally):
    for script in sorted(glob.glob(os.path.join(SOURCE, "tests/lint/*.py"))):
        tally.check("lint " + os.path.basename(script), *command(sys.executable, script))
    sources = files("*.cc", "*.h")
    tally.check("lint clang-format", *command("clang-format-16", "--dry-run", "--Werror", *sources))
    scripts = [name for name in files("*.sh", ".ci/*") if open_first_line(name).startswith("#!")]
    tally.check("lint shellcheck", *command("shellcheck", "--exclude=SC2086", *scripts))
    tally.check("lint python", *command(sys.executable, "-m", "compileall", "-q", "tests"))


def open_first_line(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8", errors="replace") as file:
        return file.readline()


class Tidy:
    """clang-tidy, beside everything else and behind it: alone it would take a third of the whole time. Several files at
    a time: a process start costs little beside the headers."""

    def __init__(self, build):
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            sources = {entry["file"] for entry in json.load(file)}
        sources = sorted(name for name in sources if not name.startswith((SOURCE + "/tests/", os.path.abspath(build))))
        jobs = os.cpu_count() or 1
        self.running = [self.start("-p", build, *sources[part::jobs]) for part in range(jobs) if sources[part::jobs]]
        self.running.append(self.start("--checks=-*,readability-identifier-naming", self.all_headers(build), "--",
                                       "-std=c++2b", "-D_GNU_SOURCE", "-DGABION_VERSION=\"\"", "-I" + SOURCE,
                                       f"-I{SOURCE}/sandbox"))

    @staticmethod
    def all_headers(build):
        """The names that others see, in one go: in every file that includes them they cost a quarter of the time."""
        path = os.path.join(build, "headers.cc")
        with open(path, "w", encoding="utf-8") as file:
            for name in files("sandbox/*.h", "shim/*.h"):
                file.write(f'#include "{name}"\n')
        return path

    @staticmethod
    def start(*words):
        output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        command_line = ["nice", "-n", "19", "clang-tidy-16", "-quiet", f"--config-file={SOURCE}/.clang-tidy",
                        "--warnings-as-errors=*", *words]
        return subprocess.Popen(command_line, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
                                cwd=SOURCE), output

    def finish(self, tally):
        ok, text = True, ""
        for process, output in self.running:
            ok = process.wait() == 0 and ok
            output.seek(0)
            text += output.read()
            output.close()
        tally.check("lint clang-tidy", ok, text)


# --- C++ tests ---------------------------------------------------------------------------------

def unit(build, tally):
    """Every program ctest knows. GoogleTest writes one XML file per program, with its cases."""
    results = os.path.join(build, "gtest")
    shutil.rmtree(results, ignore_errors=True)
    os.makedirs(results)
    listing = json.loads(command("ctest", "--test-dir", build, "--show-only=json-v1")[1])
    for test in listing["tests"]:
        program = test["command"]
        report = os.path.join(results, test["name"] + ".xml")
        started = time.monotonic()
        try:
            ok, output = command(*program, timeout=900, env=dict(os.environ, GTEST_OUTPUT="xml:" + report),
                                 stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            ok, output = False, f"still running after {error.timeout} s"
        if not os.path.exists(report):
            tally.check(test["name"], ok, output[-8000:])
            continue
        before = len(tally.failures)
        total = skipped = 0
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name = f"{test['name']} {case.get('classname')}.{case.get('name')}"
            total += 1
            if (failure := case.find("failure")) is not None:
                tally.failures.append(name)
                print(f"FAIL  {name}\n{failure.get('message')}", flush=True)
            elif case.get("result") == "skipped" or case.find("skipped") is not None:
                skipped += 1
                print(f"skip  {name}", flush=True)
            elif case.get("status") == "run":
                tally.passed += 1
        tally.skipped += skipped
        failed = len(tally.failures) - before
        if not ok and not failed:
            tally.failures.append(test["name"])
            failed = 1
        print(f"{'ok   ' if ok else 'FAIL '} {test['name']}: {total} cases, {skipped} skipped, {failed} failed, "
              f"{time.monotonic() - started:.1f} s", flush=True)
        if not ok and failed == 1:  # it died, or the one failure deserves its output
            print(output[-4000:], flush=True)


# --- Python suites -----------------------------------------------------------------------------

class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):  # not called for a test of which a part failed
        super().addSuccess(test)
        self.passed += 1


def suites(build, tally):
    for suite in SUITES:
        directory = os.path.join(SOURCE, "tests", suite)
        if not glob.glob(os.path.join(directory, "test_*.py")):
            continue
        report = os.path.join(build, f"{suite}.json")
        if os.path.exists(report):
            os.unlink(report)
        environment = dict(os.environ, GABION=os.path.abspath(os.path.join(build, "gabion")))
        environment.setdefault("GABION_TEST_RUNTIME", environment["GABION"])
        print(f"--    tests/{suite}", flush=True)
        # A process per suite: some enter namespaces of their own.
        subprocess.run([sys.executable, os.path.abspath(__file__), "--suite", directory, report], env=environment,
                       check=False)
        if not os.path.exists(report):
            tally.check(f"tests/{suite}", False, "the suite ended without a report")
            continue
        with open(report, encoding="utf-8") as file:
            result = json.load(file)
        tally.passed += result["passed"]
        tally.skipped += result["skipped"]
        tally.failures += result["failures"]


def one_suite(directory, report):
    tests = unittest.TestLoader().discover(directory, top_level_dir=directory)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result).run(tests)
    failed = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    failed = sorted({str(case).split(" [")[0] for case in failed})
    with open(report, "w", encoding="utf-8") as file:
        json.dump({"passed": result.passed, "skipped": len(result.skipped),
                   "failures": failed}, file)


# --- the sum -----------------------------------------------------------------------------------

def finish(passed, failures, skipped):
    for name in failures:
        print("failed:", name)
    if skipped:
        print(f"({skipped} skipped)")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


def total(reports):
    passed, skipped, failures = 0, 0, []
    for report in reports:
        try:
            with open(report, encoding="utf-8") as file:
                result = json.load(file)
        except FileNotFoundError:
            failures.append(f"no {report}: the build failed?")
            continue
        passed += result["passed"]
        skipped += result["skipped"]
        failures += result["failures"]
    return finish(passed, failures, skipped)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--sum", nargs="+", metavar="FILE")
    parser.add_argument("--suite", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("parts", nargs="*", metavar="lint|unit|suites")
    arguments = parser.parse_args()
    if arguments.suite:
        return one_suite(*arguments.suite)
    if arguments.sum:
        return total(arguments.sum)
    build = os.path.abspath(arguments.build)
    tally = Tally()
    tidy = Tidy(build) if "lint" in arguments.parts else None
    for part in arguments.parts:
        {"lint": lint, "unit": unit, "suites": suites}[part](build, tally)
    if tidy:
        tidy.finish(tally)
    with open(os.path.join(build, "results.json"), "w", encoding="utf-8") as file:
        json.dump({"passed": tally.passed, "skipped": tally.skipped, "failures": tally.failures}, file)
    return finish(tally.passed, tally.failures, tally.skipped)


if __name__ == "__main__":
    sys.exit(main())
