"""Commands timed side by side, and what is said of them: always a ratio to a peer of the same run."""

import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def paired(directory, rounds, warmup, commands):
    """Microseconds: a list for each command, by the timer of paired.cc, which is compiled in the directory."""
    timer = os.path.join(directory, "paired")
    if not os.path.exists(timer):
        subprocess.run(["g++", "-std=c++23", "-O2", "-o", timer, os.path.join(HERE, "paired.cc")], check=True)
    words = []
    for command in commands:
        words += ["--"] if words else []
        words += command
    done = subprocess.run([timer, str(rounds), str(warmup), *words], stdout=subprocess.PIPE, text=True, check=True)
    return [list(map(float, line.split())) for line in done.stdout.splitlines()]


def summary(times):
    ordered = sorted(times)
    return {"median": statistics.median(ordered), "p10": ordered[len(ordered) // 10],
            "p90": ordered[len(ordered) * 9 // 10], "runs": len(ordered)}


def show(what, series):
    """`series`: {name: microseconds}; the first is compared with each of the others."""
    names = list(series)
    print(f"{what}, {len(series[names[0]])} interleaved rounds, milliseconds; load {os.getloadavg()[0]:.1f}")
    width = max(map(len, names))
    for name in names:
        figure = {key: value / 1000 for key, value in summary(series[name]).items()}
        print(f"  {name:{width}} median {figure['median']:7.2f}   p10 {figure['p10']:7.2f}   p90 {figure['p90']:7.2f}")
    for name in names[1:]:
        pairs = statistics.median(own / other for own, other in zip(series[names[0]], series[name]))
        medians = statistics.median(series[names[0]]) / statistics.median(series[name])
        print(f"  {names[0]} / {name}: {medians:.2f} of medians, {pairs:.2f} median of pairs")
