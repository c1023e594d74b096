"""The system's settings for names: read as they are written, and again when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masq.shell.system_names import Watched, asker, hosts


def test_servers_are_those_of_resolv_conf(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# mine\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example\noptions timeout:3 ndots:1\n"
    )
    made = asker(path)
    assert [str(server) for server in made.nameservers] == ["192.0.2.53", "2001:db8::53"]
    assert made.timeout == 3


@pytest.mark.parametrize("text", [None, "", "nameserver\n", "\xff\xfe garbage\n"])
def test_without_any_this_machine_is_asked(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    assert asker(path).nameservers == ["127.0.0.1"]


def test_names_of_hosts(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(
        "127.0.0.1 localhost\n192.0.2.1\tOne.example one # mine\n2001:db8::1 one.example\n"
        "192.0.2.1 one\nnonsense x\n\n# 192.0.2.9 nobody\nfe80::1%lo0 link\n192.0.2.3\n"
    )
    assert hosts(path) == {
        "localhost": ("127.0.0.1",),
        "one.example": ("192.0.2.1", "2001:db8::1"),
        "one": ("192.0.2.1",),
        "link": ("fe80::1",),
    }
    assert hosts(tmp_path / "nowhere") == {}


def test_a_file_is_read_again_when_it_changes_comes_or_goes(tmp_path: Path) -> None:
    path, read = tmp_path / "hosts", []

    def reading(path: Path) -> dict[str, tuple[str, ...]]:
        read.append(path)
        return hosts(path)

    watched = Watched(path, reading)
    assert watched.now() == {}
    path.write_text("192.0.2.1 a\n")
    assert list(watched.now()) == ["a"]
    assert list(watched.now()) == ["a"]
    assert len(read) == 2
    path.write_text("192.0.2.1 b\n")
    os.utime(path, ns=(1, 1))
    assert list(watched.now()) == ["b"]
    path.unlink()
    assert watched.now() == {}
