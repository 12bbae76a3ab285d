#!/usr/bin/env python3
"""Runs lints and tests and counts single cases, whichever tool runs them.

  tests/run.py --build DIR [lint] [unit] [fuzz] [suites]   writes DIR/results.json
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
import time
import unittest
import xml.etree.ElementTree

from tidy import SOURCE, Tidy, files

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


# --- lints -------------------------------------------------------------------------------------

def lint(build, tally):
    for script in sorted(glob.glob(os.path.join(SOURCE, "tests/lint/*.py"))):
        tally.check("lint " + os.path.basename(script), *command(sys.executable, script))
    sources = files("*.cc", "*.h")
    tally.check("lint clang-format", *command("clang-format-16", "--dry-run", "--Werror", *sources))
    scripts = [name for name in files("*.sh", ".ci/*") if open_first_line(name).startswith("#!")]
    tally.check("lint shellcheck", *command("shellcheck", "--exclude=SC2086", *scripts))
    # Some import for others to import from them.
    flaws = [line for line in command("pyflakes3", *files("*.py"))[1].splitlines() if "imported but unused" not in line]
    tally.check("lint python", not flaws, "\n".join(flaws))


def open_first_line(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8", errors="replace") as file:
        return file.readline()


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


# --- fuzzers -----------------------------------------------------------------------------------

def fuzz(build, tally, seconds):
    """Each begins with what the tests have of its kind, and keeps what it finds to go on from the next time."""
    seeds = {"config": [os.path.join(SOURCE, "tests/unit/oci/specs")]}
    for program in sorted(glob.glob(os.path.join(build, "tests/fuzz/fuzz_*"))):
        name = os.path.basename(program)
        corpus = os.path.join(build, "corpus", name)
        os.makedirs(corpus, exist_ok=True)
        tally.check(f"{name} for {seconds} s", *command(
            program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=65536",
            f"-artifact_prefix={build}/", corpus, *seeds.get(name.removeprefix("fuzz_"), [])))


# --- Python suites -----------------------------------------------------------------------------

class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):  # not called for a test of which a part failed
        super().addSuccess(test)
        self.passed += 1


def run_suite(build, name, tally):
    """In a process of its own: some enter namespaces of their own."""
    report = os.path.join(build, f"{name}.json")
    if os.path.exists(report):
        os.unlink(report)
    environment = dict(os.environ, GABION=os.path.abspath(os.path.join(build, "gabion")))
    environment.setdefault("GABION_TEST_RUNTIME", environment["GABION"])
    subprocess.run([sys.executable, os.path.abspath(__file__), "--suite", os.path.join(SOURCE, "tests", name), report],
                   env=environment, check=False)
    if not os.path.exists(report):
        tally.check(f"tests/{name}", False, "the suite ended without a report")
        return
    with open(report, encoding="utf-8") as file:
        result = json.load(file)
    tally.passed += result["passed"]
    tally.skipped += result["skipped"]
    tally.failures += result["failures"]


def suites(build, tally):
    for name in SUITES:
        print(f"--    tests/{name}", flush=True)
        started = time.monotonic()
        run_suite(build, name, tally)
        print(f"--    tests/{name}: {time.monotonic() - started:.0f} s", flush=True)


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
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer")
    parser.add_argument("parts", nargs="*", metavar="lint|unit|fuzz|suites")
    arguments = parser.parse_args()
    if arguments.suite:
        return one_suite(*arguments.suite)
    if arguments.sum:
        return total(arguments.sum)
    build = os.path.abspath(arguments.build)
    tally = Tally()
    tidy = Tidy(build) if "lint" in arguments.parts else None
    for part in arguments.parts:
        if part == "fuzz":
            fuzz(build, tally, arguments.seconds)
        else:
            {"lint": lint, "unit": unit, "suites": suites}[part](build, tally)
    if tidy:
        tidy.finish(tally)
    with open(os.path.join(build, "results.json"), "w", encoding="utf-8") as file:
        json.dump({"passed": tally.passed, "skipped": tally.skipped, "failures": tally.failures}, file)
    return finish(tally.passed, tally.failures, tally.skipped)


if __name__ == "__main__":
    sys.exit(main())
