"""How many small changes of a module its fast tests notice: `make mutants ARGS="ledger"`.

cosmic-ray makes them, one at a time, in a copy of this directory; uv fetches it when it is needed. Changes that no test
notices are listed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COPY: Final = ROOT / ".mutants"
CORE: Final = "tests/core/accountant"
MODULES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "ledger": ("core/accountant/ledger.py", (f"{CORE}/test_ledger.py",)),
    "payments": ("core/accountant/payments.py", (f"{CORE}/test_paying.py", f"{CORE}/test_payments.py")),
    "earning": ("core/accountant/earning.py", (f"{CORE}/test_earning.py", f"{CORE}/test_strangers.py")),
    "search": ("core/accountant/search.py", (f"{CORE}/test_search.py", f"{CORE}/test_earning.py")),
    "evidence": ("shell/evidence.py", ("tests/shell/test_evidence.py",)),
    "head_file": ("shell/head_file.py", ("tests/shell/test_evidence.py",)),
    "crypto": ("crypto.py", ("tests/test_crypto.py",)),
}
"""By name: the module, and the tests that are to notice."""
CONFIG: Final = """[cosmic-ray]
module-path = "src/masq/{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:xdist -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
"""


def cosmic_ray(*arguments: str) -> str:
    words = [str(Path(sys.executable).parent / "uv"), "tool", "run", "--quiet", "cosmic-ray", *arguments]
    environment = os.environ | {"PYTHONPATH": str(COPY / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=COPY, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def survivors(session: str) -> Iterator[tuple[bool, str]]:
    """For each mutant that was tried: whether no test noticed it, and what it changes."""
    for line in cosmic_ray("dump", session).splitlines():
        job, result = json.loads(line)
        if result is not None:
            (mutation,) = job["mutations"]
            place = f"{mutation['module_path']}:{mutation['start_pos'][0]}"
            yield result["test_outcome"] == "survived", f"{place} {mutation['operator_name'].partition('/')[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[[], *MODULES], help="all, if none is named")
    for name in parser.parse_args().modules or MODULES:
        module, tests = MODULES[name]
        shutil.rmtree(COPY, ignore_errors=True)
        COPY.mkdir()
        for each in ("src", "tests", "tools", "pyproject.toml"):
            (shutil.copytree if (ROOT / each).is_dir() else shutil.copy)(ROOT / each, COPY / each)
        config = CONFIG.format(module=module, python=sys.executable, tests=" ".join(tests))
        (COPY / "session.toml").write_text(config)
        cosmic_ray("init", "session.toml", "session.sqlite")
        cosmic_ray("exec", "session.toml", "session.sqlite")
        tried = list(survivors("session.sqlite"))
        left = [what for survived, what in tried if survived]
        print("\n".join(left))
        print(f"{name}: {len(tried) - len(left)} of {len(tried)} noticed, {1 - len(left) / len(tried):.0%}", flush=True)


if __name__ == "__main__":
    main()
