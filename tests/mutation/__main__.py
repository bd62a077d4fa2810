"""`make mutants MODULES="wire http1"`: one place of a module is changed at a time; its tests should see every one.

Done in a copy of the tree (`.mutants`), stopping at a mutant's first red test. What was found is kept there by the
module's text: an interrupted run goes on where it was, and a module that changed begins anew. `concerns.toml` says
which tests concern which module, and which mutants are equal to the original, and why. Ends with 1 for survivors.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mutation.child import PRELOADED, test
from mutation.places import Mutant, mutants

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".mutants"
COPIED = ("src", "tests", "bench", "bundle", "docs", "pyproject.toml", "version.py", "README.md", "CHANGELOG.md")
_FORKS = multiprocessing.get_context("forkserver")
CONCERNS = Path(__file__).parent / "concerns.toml"


def _tree(number: int) -> Path:
    """A copy of what is there now."""
    tree = WORK / f"tree-{os.getpid()}-{number}"
    tree.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, tree / name)
    return tree


def _tested(tree: Path, tests: list[str], seconds: float) -> str:
    """`green`, `red` or `late`."""
    child = _FORKS.Process(target=test, args=(tree, tests))
    child.start()
    child.join(seconds)
    late = child.exitcode is None
    assert child.pid is not None
    # With what its tests started, whatever became of them.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.join()
    return "late" if late else "green" if child.exitcode == 0 else "red"


class _Module:
    def __init__(self, name: str, concern: dict[str, Any]) -> None:
        self.name = name
        self.file = Path("src/s3private") / f"{name}.py"
        self.source = (ROOT / self.file).read_bytes()
        self.tests: list[str] = concern["tests"]
        self.equal: dict[str, str] = concern.get("equal", {})
        digest = hashlib.sha256(self.source).hexdigest()[:12]
        self.kept = WORK / f"{name}-{digest}.jsonl"

    def outcomes(self) -> dict[str, str]:
        if not self.kept.exists():
            return {}
        return dict(json.loads(line) for line in self.kept.read_text().splitlines())

    def key(self, each: Mutant) -> str:
        return f"{each.start}-{each.end} {each.after}"

    def said(self, each: Mutant) -> str:
        flat = " ".join(each.before.split())
        return f"{self.file}:{each.line}: {flat} -> {' '.join(each.after.split())}"

    def why_equal(self, each: Mutant) -> str | None:
        return self.equal.get(each.named(self.source))


def _run(module: _Module, trees: list[Path], every: int) -> Iterator[tuple[Mutant, str]]:
    began = time.monotonic()
    if _tested(trees[0], module.tests, 1200) != "green":
        sys.exit(f"{module.name}: its tests are not green without any change")
    # Others may use the machine meanwhile.
    seconds = 4 * (time.monotonic() - began) + 20
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)
    known, writing = module.outcomes(), threading.Lock()
    all_of_it = mutants(module.source)[::every]

    def outcome(each: Mutant) -> str:
        if module.key(each) in known:
            return known[module.key(each)]
        tree = free.get()
        try:
            (tree / module.file).write_bytes(each.applied(module.source))
            found = _tested(tree, module.tests, seconds)
        finally:
            (tree / module.file).write_bytes(module.source)
            free.put(tree)
        with writing, module.kept.open("a") as kept:
            kept.write(json.dumps([module.key(each), found]) + "\n")
        return found

    with ThreadPoolExecutor(len(trees)) as pool:
        asked = {pool.submit(outcome, each): each for each in all_of_it if module.why_equal(each) is None}
        for count, done in enumerate(as_completed(asked), 1):
            print(f"\r{module.name}: {count} of {len(asked)}", end="", file=sys.stderr, flush=True)
            yield asked[done], done.result()
    print(file=sys.stderr)


def main() -> int:
    concerns = tomllib.loads(CONCERNS.read_text())
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("modules", nargs="+", choices=sorted(concerns), metavar="MODULE")
    parser.add_argument("--jobs", type=int, default=1, help="at once; default 1")
    parser.add_argument("--every", type=int, default=1, help="only each so manyth place, for a first look")
    arguments = parser.parse_args()
    _FORKS.set_forkserver_preload(PRELOADED)
    survived = 0
    trees = [_tree(number) for number in range(arguments.jobs)]
    for name in arguments.modules:
        module = _Module(name, concerns[name])
        counts = {"red": 0, "late": 0, "green": 0}
        for each, outcome in _run(module, trees, arguments.every):
            counts[outcome] += 1
            if outcome == "green":
                survived += 1
                print(f"\r{module.said(each)}", flush=True)
        print(
            f"{name}: {counts['red']} seen, {counts['late']} seen by the clock, {counts['green']} survived", flush=True
        )
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
