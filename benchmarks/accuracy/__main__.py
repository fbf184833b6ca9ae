"""`python -m benchmarks.accuracy [--group NAME] [-o table|json] [--rows]`."""

import argparse
import json
import sys

from benchmarks.accuracy.groups import load_groups, named
from benchmarks.accuracy.report import render_rows, render_table
from benchmarks.accuracy.scoring import score
from benchmarks.accuracy.starts import all_answers


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 1 where a group misses what is required of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--group", action="append", help="only this group (repeatable)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--rows", action="store_true", help="every row besides the figures")
    asked = parser.parse_args(arguments)
    groups = load_groups()
    if asked.group:
        try:
            groups = tuple(named(groups, name) for name in asked.group)
        except ValueError as error:
            parser.error(str(error))
    scores = [score(group) for group in groups]
    if asked.output == "json":
        print(json.dumps([item.record() for item in scores], indent=2))
    else:
        for item in scores if asked.rows else ():
            print(render_rows(item))
        print(render_table(scores))
        for answers in () if asked.group else all_answers():
            print(answers.line())
    return 0 if all(item.met for item in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
