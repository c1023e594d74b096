"""What a process takes of its machine, and what it hides of itself."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from masq.shell.process import hold_address, is_scarcity, without_values, without_variables

OPTIONS = ["db-password", "consuming-private-key"]


def test_variables_become_zeros_and_nothing_moves() -> None:
    block = b"A=1\0MASQ_DB_PASSWORD=secret\0MASQ_DB_PASSWORD_FILE=f\0B=MASQ_DB_PASSWORD=x\0"
    after = without_variables(block, ["MASQ_DB_PASSWORD", "MASQ_OTHER"])
    assert after == b"A=1\0" + bytes(23) + b"\0MASQ_DB_PASSWORD_FILE=f\0B=MASQ_DB_PASSWORD=x\0"
    assert len(after) == len(block)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (b"masq\0run\0--db-password=a=b\0", b"masq\0run\0--db-password=***\0"),
        (b"--db-password\0abc\0--ip\0abc\0", b"--db-password\0***\0--ip\0abc\0"),
        (b"--db-password\0--ip\0abc\0", b"--db-password\0--ip\0abc\0"),
        (b"--db-password\0", b"--db-password\0"),
        (b"--db-password", b"--db-password"),
        (b"--db-password-file\0abc\0db-password\0abc\0", b"--db-password-file\0abc\0db-password\0abc\0"),
        (b"--\xff=1\0", b"--\xff=1\0"),
        (b"", b""),
    ],
)
def test_values_of_secret_options_become_asterisks(words: bytes, shown: bytes) -> None:
    assert without_values(words, OPTIONS) == shown


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps such names")
def test_a_second_node_at_one_address_is_noticed_while_the_first_one_runs() -> None:
    one, other = hold_address("203.0.113.7"), hold_address("203.0.113.8")
    assert one is not None
    assert other is not None
    assert hold_address("203.0.113.7") is None
    one.close()
    again = hold_address("203.0.113.7")
    assert again is not None
    again.close()
    other.close()


def test_what_is_scarce() -> None:
    assert is_scarcity(OSError(errno.EMFILE, "x"))
    assert not is_scarcity(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    assert not is_scarcity(TimeoutError())


_PROGRAM = """
import os, resource, subprocess
from pathlib import Path
from masq.shell.process import forbid_core_dumps, forget_environment, hide_arguments, raise_descriptors
forget_environment(["SECRET", "ABSENT"], os.environ)
hide_arguments(["secret"])
forbid_core_dumps()
assert b"hu" b"sh" not in Path("/proc/self/environ").read_bytes()
assert b"OTHER=loud" in Path("/proc/self/environ").read_bytes()
assert b"hu" b"sh" not in Path("/proc/self/cmdline").read_bytes()
assert b"--other=loud" in Path("/proc/self/cmdline").read_bytes()
assert "hu" "sh" not in subprocess.run(["env"], capture_output=True, text=True).stdout
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
assert raise_descriptors() == 200
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, 200)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems show it in other ways")
def test_a_process_hides_its_secrets_and_takes_what_it_may() -> None:
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, "--secret=hush", "--secret", "hush", "--other=loud"],
        check=True,
        env={"SECRET": "hush hush", "OTHER": "loud", "PATH": "/usr/bin:/bin"},
    )
