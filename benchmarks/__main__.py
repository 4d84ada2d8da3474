"""Measures, and ends with a table of all figures.

A figure that misses its target is information, not a failure: only what could not be measured makes
the exit code other than 0.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from platform import python_version

from benchmarks import (
    billing_page,
    closing,
    collecting,
    events_statements,
    events_time,
    guard_statements,
    guard_time,
    large_pages,
    start_up,
    usage,
)
from benchmarks.harness import chosen, measured, printed

TOPICS = [
    guard_time.topic,
    guard_statements.topic,
    billing_page.topic,
    events_time.topic,
    events_statements.topic,
    usage.topic,
    closing.topic,
    collecting.topic,
    large_pages.topic,
    start_up.topic,
]


def main() -> int:
    """Measure the topics that are named, or all, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "topics", nargs="*", metavar="topic", help=", ".join(t.name for t in TOPICS)
    )
    try:
        topics = chosen(TOPICS, parser.parse_args().topics)
    except ValueError as error:
        parser.error(str(error))
    print(_conditions())
    lines = []
    for topic in topics:
        print(f"Measuring {topic.name} …", flush=True)
        lines += measured(topic)
    print(f"\n{printed(lines)}\n")
    print("Ratios of medians, measured in turns in this run. A figure that is short is no failure.")
    return 1 if any(line.value is None for line in lines) else 0


def _conditions() -> str:
    releases = ", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "flask", "psycopg"))
    load = os.getloadavg()[0]
    return f"Python {python_version()}, {releases}; {os.cpu_count()} cores, load {load:.1f}"


if __name__ == "__main__":
    sys.exit(main())
