"""The settings of the chain that sing-box gets, and its version."""

from __future__ import annotations

import base64

import pytest

from benchmarks import sing_box

KEYS = [base64.b64encode(bytes([number]) * sing_box.KEY_SIZE).decode() for number in range(3)]


def test_each_hop_is_reached_by_the_one_before_it_and_the_last_one_is_the_way_out() -> None:
    settings = sing_box.client_settings(KEYS)
    hops = settings["outbounds"]
    assert isinstance(hops, list)
    assert [(hop["tag"], hop["server"], hop["password"], hop.get("detour")) for hop in hops] == [
        ("hop1", "127.0.10.1", KEYS[0], None),
        ("hop2", "127.0.10.2", KEYS[1], "hop1"),
        ("hop3", "127.0.10.3", KEYS[2], "hop2"),
    ]
    assert settings["route"] == {"final": "hop3"}


def test_a_version_that_it_does_not_know_is_asked_of_go(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"sing-box": "sing-box version 1.13.0\n", "go": ""}
    monkeypatch.setattr(sing_box, "_output", lambda *words: said[words[0]])
    assert sing_box.version() == "1.13.0"
    said["sing-box"] = "sing-box version unknown\n"
    assert sing_box.version() == ""
    said["go"] = "sing-box: go1.26.8\n\tpath\tx\n\tmod\tgithub.com/sagernet/sing-box\tv1.14.1\th1:xyz=\n\tdep\ty\tv2\n"
    assert sing_box.version() == "1.14.1"
