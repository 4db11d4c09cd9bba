#!/usr/bin/env python3
"""Passes on what a test runner prints, and puts the ten slowest tests before its last summary.

    cargo test … | slowest.py                 takes the times that libtest prints with --report-time
    cargo nextest run … 2>&1 | slowest.py F   takes them from F, nextest's JUnit report
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TEST = re.compile(r"test (.+) \.\.\. \w+ <([0-9.]+)s>")
SUMMARY = re.compile(r"test result: |\s*Summary \[")


def passed_on(lines, junit):
    """Prints the lines but for the last summary and what follows it. Answers these, and the times that were among the lines."""
    held, times = [], []
    for line in lines:
        plain = COLOURS.sub("", line).rstrip()
        if test := TEST.fullmatch(plain):
            times.append((float(test[2]), test[1]))
        if SUMMARY.match(plain):
            print(*held, sep="", end="")
            held = [line]
        elif held and (junit or not plain):
            held.append(line)
        else:
            print(*held, line, sep="", end="", flush=True)
            held = []
    return held, times


def reported(junit):
    """The times in nextest's report; none where it ended before it ran a test."""
    if not junit.exists():
        return []
    cases = ElementTree.parse(junit).iter("testcase")
    return [(float(case.get("time")), case.get("name")) for case in cases]


def main():
    junit = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    held, times = passed_on(sys.stdin, junit)
    if junit:
        times = reported(junit)
    if times:
        print("\nThe ten slowest tests:")
        for seconds, name in sorted(times, reverse=True)[:10]:
            print(f"{seconds:9.2f} s  {name}")
        print()
    print("".join(held).strip("\n"))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
