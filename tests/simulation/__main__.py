"""Tells the story of a seed, made short where it ends with a problem; or looks for seeds that do.

PYTHONPATH=.:tests .venv/bin/python -m simulation 4711
PYTHONPATH=.:tests .venv/bin/python -m simulation --schedules 20000
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from simulation.defects import DEFECTS, put_back
from simulation.known import KNOWN, unknown
from simulation.plan import Plan, load, save
from simulation.schedule import drawn, written
from simulation.search import failing_in_parts, simulating
from simulation.shrink import shrunk
from simulation.story import Story

SIGNS = "* is done by people, ! is a mishap, # is wrong"


def main() -> int:
    """Do what is asked for; return 1 where a schedule ends with a problem that is not known."""
    asked = _asked()
    with simulating(), put_back(asked.put_back):
        if asked.schedules is not None:
            return _search(range(asked.first, asked.first + asked.schedules))
        return _tell(asked)


def _asked() -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m simulation", description=__doc__, formatter_class=plain)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("seed", nargs="?", type=int, help="whose story is told")
    what.add_argument("--plan", type=Path, help="a file with a plan, whose story is told")
    what.add_argument("--schedules", type=int, help="how many are run")
    parser.add_argument("--first", type=int, default=0, help="first seed of those")
    parser.add_argument("--whole", action="store_true", help="do not make the story short")
    parser.add_argument("--kind", help="kind of problem that the short story ends with; else the first")
    parser.add_argument("--save", type=Path, help="write the plan of the story to a file")
    parser.add_argument("--put-back", choices=sorted(DEFECTS), help="put back a defect that was mended")
    return parser.parse_args()


def _tell(asked: argparse.Namespace) -> int:
    plan = load(asked.plan) if asked.plan else drawn(asked.seed).plan
    if not asked.whole:
        plan = _short(plan, asked.kind)
    if asked.save:
        save(plan, asked.save)
    _say(f"{plan.scale}; {SIGNS}")
    outcome = written(plan, Story(_say))
    return bool(unknown(outcome.problems))


def _short(plan: Plan, kind: str | None) -> Plan:
    problems = written(plan).problems
    if not problems:
        return plan
    wanted = kind or next(iter(unknown(problems) or problems)).kind
    return shrunk(plan, lambda fewer: wanted in {each.kind for each in written(fewer).problems})


def _search(seeds: range) -> int:
    counts, found = Counter[str](), 0
    for seed, problems in (each for part in failing_in_parts(seeds) for each in part):
        counts.update({each.kind for each in problems})
        for problem in unknown(problems):
            found = 1
            _say(f"seed {seed}: {problem}")
    for kind, count in counts.most_common():
        _say(f"{count:6} {kind} ({KNOWN.get(kind, 'not known')})")
    _say(f"{len(seeds)} schedules, from seed {seeds.start}")
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
