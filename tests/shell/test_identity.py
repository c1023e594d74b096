"""Who a Node is, over starts and changes: which key pair is kept, and what of a change is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.settings.lines import NEIGHBOR, valid

from masq.errors import SettingError
from masq.shell.identity import another_identity, find_identity
from masq.shell.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path, "secret")


def test_a_changed_identity_replaces_the_one_that_is_kept(store: Store) -> None:
    settings = valid(db_password="secret")
    first = find_identity(settings, store)
    assert not first.kept
    kept = find_identity(settings, store)
    assert (kept.kept, kept.keys.public_key) == (True, first.keys.public_key)
    other = another_identity(kept, settings, store)
    assert other.keys.public_key != first.keys.public_key
    assert other.first_version == 0
    assert find_identity(settings, store).keys.public_key == other.keys.public_key
    store.close()


def test_one_that_can_not_be_saved_is_taken_all_the_same_and_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = valid(db_password="secret")
    first = find_identity(settings, store)

    def full(name: str, value: str) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "set", full)
        other = another_identity(first, settings, store)
    assert other.keys.public_key != first.keys.public_key
    assert other.warning
    assert "the disk is full" in other.warning
    assert find_identity(settings, store).keys.public_key == first.keys.public_key, "nothing is lost"
    store.close()


def test_those_are_told_who_can_be_reached_by_a_descriptor(store: Store) -> None:
    open_, closed = valid(), valid(neighborhood_mode="consume-only", neighbors=NEIGHBOR)
    before = find_identity(open_, store)
    assert "masq descriptor" in (another_identity(before, open_, store).warning or "")
    assert "There is nothing to do" in (another_identity(before, closed, store).warning or "")
    store.close()


def test_changes_of_a_day_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_800_000_000.0]
    monkeypatch.setattr("masq.shell.identity.time.time", lambda: clock[0])
    identity = find_identity(valid(), store)
    for _ in range(3):
        clock[0] += 36_000
        identity = another_identity(identity, valid(), store)
    assert identity.seen(True).changes == 3
    clock[0] += 36_000
    assert identity.seen(True).changes == 2, "the first one was more than a day ago"
    store.close()


def test_who_insists_on_a_key_has_a_fixed_one(store: Store) -> None:
    with pytest.raises(SettingError):
        find_identity(valid(db_password="secret", new_public_key="off"), store)
    find_identity(valid(db_password="secret"), store)
    assert find_identity(valid(db_password="secret", new_public_key="off"), store).fixed
    assert find_identity(valid(fake_public_key="fake"), store).fixed
    seen = find_identity(valid(db_password="secret"), store).seen(True)
    assert (seen.remembered, seen.fixed, seen.changes) == (True, False, 0)
    assert not find_identity(valid(db_password="secret"), store).seen(False).remembered
    store.close()
