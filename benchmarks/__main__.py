"""``python -m benchmarks [--only NAME] [--rounds N]``: measure, print one table, write results.json."""

import argparse
import sys
from collections.abc import Callable, Mapping

import uvloop

from benchmarks import gateway, imports, jobs, ledger, retrieval
from benchmarks.report import Row, save, show

_BENCHMARKS: Mapping[str, Callable[[int], tuple[list[Row], list[str]]]] = {
    "ledger": ledger.measure,
    "jobs": jobs.measure,
    "imports": imports.measure,
    "gateway": gateway.measure,
    "retrieval": retrieval.measure,
}


def main(arguments: list[str]) -> int:
    """Measure what was asked for; any error counts as no result and ends the run."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", choices=sorted(_BENCHMARKS), help="measure one of them")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each with figure and baseline (5)")
    options = parser.parse_args(arguments)
    uvloop.install()
    rows: list[Row] = []
    conditions: list[str] = [f"{options.rounds} rounds, figure and baseline in turn"]
    for name in [options.only] if options.only else _BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measured, found = _BENCHMARKS[name](options.rounds)
        rows += measured
        conditions += [condition for condition in found if condition not in conditions]
    show(rows, conditions)
    save(rows, conditions)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
