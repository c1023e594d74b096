"""How many small changes of the modules that deal with money their fast tests notice: `make mutants ARGS="ledger"`.

Each (`mutations`) is tried in a fork of a process that holds pytest, hypothesis and all of ours that doesn't depend on
the changed module, with only those tests that enter the changed function (all, if there are none), first those that
have noticed most. hypothesis tries few examples, always the same. A test that takes over `SLOW` seconds isn't asked: so
the score is rather too low. What no test notices is listed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import importlib
import importlib.util
import json
import math
import os
import random
import resource
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

import hypothesis
import pytest
from tools.mutations import Mutant, mutants_of

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src"
CORE: Final = "tests/core/accountant"
GROUPS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "ledger": {"core/accountant/ledger.py": (f"{CORE}/test_ledger.py",)},
    "payments": {
        "core/accountant/payments.py": (
            f"{CORE}/test_payment_states.py",
            f"{CORE}/test_payments.py",
            f"{CORE}/test_paying.py",
            "tests/docs/test_payment_table.py",
        )
    },
    "income": {
        "core/accountant/earning.py": (f"{CORE}/test_earning_steps.py", f"{CORE}/test_earning.py"),
        "core/accountant/search.py": (f"{CORE}/test_search_bounds.py", f"{CORE}/test_search.py"),
    },
    "journal": {
        "shell/evidence.py": ("tests/shell/test_evidence_parts.py", "tests/shell/test_evidence.py"),
        "shell/head_file.py": ("tests/shell/test_head_file.py", "tests/shell/test_evidence.py"),
    },
    "crypto": {"crypto.py": ("tests/test_crypto.py",)},
}
"""By name: modules, and the tests that are to notice."""
SLOW: Final = 1.0
EXAMPLES: Final = 20
PATIENCE: Final = 4.0
"""A change counts as noticed when its tests take so many times as long as they should, and `STARTING` seconds."""
STARTING: Final = 5.0
OTHERS: Final = 10.0
"""Those are seconds of a core; so many times as long may it take on a machine that others use."""
MEMORY: Final = 2 << 30
"""Bytes that a changed program may take."""


@dataclass
class Test:
    """What was seen of a test of the unchanged program. `functions`: lines of their heads."""

    seconds: float = 0.0
    functions: set[int] = field(default_factory=set)


# --- the tests ---


class Watch:
    """Sees how long each test takes, and which functions of a file it enters."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self.tests: dict[str, Test] = {}
        self.failed = 0
        """Tests, but for those that were ended as they are slow."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        test = self.tests[item.nodeid] = Test()

        def enter(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename == self._path:
                test.functions.add(frame.f_code.co_firstlineno)

        def skip(_number: int, _frame: object) -> None:
            test.seconds = math.inf
            pytest.skip("slow")

        started = time.process_time()
        signal.signal(signal.SIGVTALRM, skip)
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOW)
        threading.setprofile(enter)
        sys.setprofile(enter)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
            test.seconds = max(test.seconds, time.process_time() - started)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += report.failed and self.tests[report.nodeid].seconds < math.inf


class Choice:
    """Lets only these tests run, in this order, and tells which one fails."""

    def __init__(self, names: Sequence[str], tell: Callable[[str], object]) -> None:
        self._names = {name: n for n, name in enumerate(names)}
        self._tell = tell

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._names]
        items[:] = sorted(chosen, key=lambda item: self._names[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell(report.nodeid)
            os._exit(1)  # There is nothing to tidy up: it is a fork.


def run_tests(files: Sequence[str], plugin: object) -> int:
    quiet = (
        "-x",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:timeout",
        "-p",
        "no:unraisableexception",
        "-W",
        "default",
    )
    return int(pytest.main([*quiet, *files], plugins=[plugin]))


def in_fork(work: Callable[[Callable[[str], object]], int], seconds: float) -> tuple[int | None, str]:
    """Status and words of `work`, which it tells in a process of its own, in so many seconds of a core. The status is
    below zero if it takes longer than that, None if it doesn't end."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 3
        try:
            os.setsid()
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
            nowhere = os.open(os.devnull, os.O_RDWR)
            for each in (0, 1, 2):
                os.dup2(nowhere, each)
            status = work(lambda words: os.write(writing, words.encode()))
        finally:
            os._exit(status)
    os.close(writing)
    told, until = bytearray(), time.monotonic() + OTHERS * seconds
    with open(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            if not (piece := pipe.read(1 << 16)):
                _, status = os.waitpid(child, 0)
                return os.waitstatus_to_exitcode(status), told.decode()
            told += piece
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, told.decode()


# --- one module ---


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def dependents(name: str) -> set[str]:
    """Modules of the program that import this one, however indirectly, and itself."""
    imports: dict[str, set[str]] = {}
    for path in (SOURCE / "masq").rglob("*.py"):
        names = imports[module_name(path, SOURCE)] = set[str]()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    found = {name}
    while more := {each for each, names in imports.items() if names & found} - found:
        found |= more
    return found


def prepare(name: str, files: Sequence[str]) -> None:
    """Import what the tests need and a change of the module doesn't concern."""
    changing = dependents(name)

    def imported(tell: Callable[[str], object]) -> int:
        status = run_tests([*files, "--collect-only"], object())
        tell(" ".join(sys.modules))
        return status

    status, words = in_fork(imported, 100.0)
    if status != 0:
        raise SystemExit(f"the tests of {name} can't be collected: try pytest {' '.join(files)}")
    usual = sys.getrecursionlimit()
    for each in words.split():
        if each.partition(".")[0] != "tests" and each not in changing and not each.startswith(("test_", "conftest")):
            with contextlib.suppress(Exception):
                importlib.import_module(each)
    sys.setrecursionlimit(usual)  # As tests/conftest.py says.


def watch(name: str, path: Path, files: Sequence[str]) -> dict[str, Test]:
    """The tests that are fast enough, by name."""

    def watched(tell: Callable[[str], object]) -> int:
        plugin = Watch(path)
        run_tests([*files, "--maxfail=0"], plugin)
        tell(json.dumps({key: [test.seconds, sorted(test.functions)] for key, test in plugin.tests.items()}))
        return plugin.failed or not plugin.tests

    status, words = in_fork(watched, 600.0)
    if status != 0:
        raise SystemExit(f"the tests of {name} fail without any change: try pytest {' '.join(files)}")
    tests = {key: Test(seconds, set(functions)) for key, (seconds, functions) in json.loads(words).items()}
    return {key: test for key, test in tests.items() if test.seconds <= SLOW}


def functions_of(source: str) -> list[tuple[range, range]]:
    """Of each function the lines of its body, and all of its lines; inner functions last."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = (node.end_lineno or node.lineno) + 1
            first = min(each.lineno for each in (node, *node.decorator_list))
            found.append((range(node.body[0].lineno, end), range(first, end)))
    return sorted(found, key=lambda each: len(each[1]), reverse=True)


def put_in(name: str, path: Path, code: CodeType) -> None:
    """The changed module, for whoever imports it from now on."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    package, _, last = name.rpartition(".")
    setattr(importlib.import_module(package), last, module)
    exec(code, module.__dict__)  # that is what it is for


def try_all(
    name: str, path: Path, files: Sequence[str], mutants: Sequence[Mutant], tests: Mapping[str, Test]
) -> Iterator[tuple[Mutant, bool]]:
    """Each change, and whether a test noticed it."""
    functions = functions_of(path.read_text())
    noticed: Counter[str] = Counter()
    for mutant in mutants:
        span = next((span for body, span in reversed(functions) if mutant.line in body), None)
        entering = [key for key, test in tests.items() if span and any(line in span for line in test.functions)]
        # What no test enters may be called when the module is imported.
        asked = sorted(entering or tests, key=lambda key: (-noticed[key], tests[key].seconds))

        def attempt(tell: Callable[[str], object], code: str = mutant.code, names: Sequence[str] = asked) -> int:
            put_in(name, path, compile(code, str(path), "exec", dont_inherit=True))
            which = [file for file in files if any(key.startswith(f"{file}::") for key in names)]
            return run_tests(which, Choice(names, tell))

        status, by = in_fork(attempt, STARTING + PATIENCE * sum(tests[key].seconds for key in asked))
        noticed[by] += 1
        yield mutant, status != 0


def try_module(module: str, files: Sequence[str], sample: int, seed: int) -> tuple[int, int]:
    """Changes that were noticed, and that were tried."""
    path = SOURCE / "masq" / module
    name = module_name(path, SOURCE)
    started = time.monotonic()
    prepare(name, files)
    gc.freeze()
    tests = watch(name, path, files)
    every = mutants_of(path)
    unchanged = Mutant("", path.read_text(), 0, "", "")
    if any(seen for _, seen in try_all(name, path, files, [unchanged], tests)):
        raise SystemExit(f"the tests of {name} fail without any change, in another order: try pytest {' '.join(files)}")
    chosen = every if sample >= len(every) else random.Random(seed).sample(every, sample)
    left = []
    for mutant, seen in try_all(name, path, files, chosen, tests):
        if not seen:
            left.append(mutant)
            print(f"{module}:{mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True)
    good, spent = len(chosen) - len(left), time.monotonic() - started
    print(f"{module}: {_share(good, len(chosen))} (of {len(every)}) by {len(tests)} tests, {spent:.0f} s", flush=True)
    return good, len(chosen)


def _share(good: int, all: int) -> str:
    return f"{good} of {all} noticed, {good / all:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help="all, if none is named")
    parser.add_argument(
        "--sample", type=int, default=sys.maxsize, help="at most so many changes of a module, by chance"
    )
    parser.add_argument("--seed", type=int, default=1, help="of that chance")
    options = parser.parse_args()
    os.chdir(ROOT)
    few = hypothesis.settings(
        max_examples=EXAMPLES, derandomize=True, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
    )
    hypothesis.settings.register_profile("mutants", few)
    hypothesis.settings.load_profile("mutants")
    for group in options.groups or GROUPS:
        done = [try_module(module, files, options.sample, options.seed) for module, files in GROUPS[group].items()]
        print(f"{group}: {_share(sum(good for good, _ in done), sum(all for _, all in done))}", flush=True)


if __name__ == "__main__":
    main()
