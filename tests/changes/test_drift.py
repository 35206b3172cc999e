from __future__ import annotations

from typing import Any

import pytest

from domain.windows import MINUTE_MS, Window
from storage.change_rows import DriftRow
from storage.changes_reader import ChangesReader
from tests.changes.conftest import CONSUMER, PLUGIN, SERVICE, World


async def look(world: World, times: int = 1) -> None:
    for _ in range(times):
        await world.service.turn()
        world.now += 20_000


async def look_again(world: World) -> None:
    """The next look, and the second one that makes sure."""
    world.now += world.settings.drift_check_s * 1000
    await look(world, 3)


def found(world: World, reader: ChangesReader) -> list[DriftRow]:
    return list(reader.drifts(Window(0, world.now + MINUTE_MS)))


async def test_the_first_look_only_learns(limited: World, reader: ChangesReader) -> None:
    await look(limited, 3)

    assert found(limited, reader) == []


async def test_what_was_told_is_no_drift(limited: World, reader: ChangesReader) -> None:
    await look(limited)
    limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})
    limited.change("DELETE", "consumers", CONSUMER)
    limited.change("PUT", "consumers", "aaaaaaaa-0000-4000-8000-000000000001", {"username": "new"})

    await look_again(limited)

    assert found(limited, reader) == []


async def test_a_change_that_nobody_told_of_is_found_with_its_direction(
    limited: World, reader: ChangesReader
) -> None:
    await look(limited)
    limited.kong.store.update("plugins", PLUGIN, {"config": {"minute": 5}})
    limited.kong.store.delete("consumers", CONSUMER)
    made = limited.kong.store.insert(
        "routes", {"name": "back-door", "paths": ["/x"], "service": {"id": SERVICE}}
    )

    await look_again(limited)

    drifts = {d.entity_id: d for d in found(limited, reader)}
    assert {i: d.direction for i, d in drifts.items()} == {
        PLUGIN: "changed", CONSUMER: "vanished", made["id"]: "appeared",
    }  # fmt: skip
    assert drifts[PLUGIN].before["config"]["minute"] == 60
    assert drifts[PLUGIN].after["config"]["minute"] == 5
    assert drifts[made["id"]].entity_name == "back-door"


async def test_a_drift_is_told_once(limited: World, reader: ChangesReader) -> None:
    await look(limited)
    limited.kong.store.update("plugins", PLUGIN, {"config": {"minute": 5}})
    for _ in range(3):
        await look_again(limited)

    assert len(found(limited, reader)) == 1


async def test_an_event_that_comes_late_is_waited_for(limited: World, reader: ChangesReader) -> None:
    await look(limited)
    known = len(limited.kong.store.events)
    limited.kong.store.update("plugins", PLUGIN, {"config": {"minute": 5}})
    at_ms = limited.now
    limited.now += limited.settings.drift_check_s * 1000
    await limited.service.turn()
    limited.tell(*[{**e, "at_ms": at_ms} for e in limited.kong.store.events[known:]])
    limited.now += 20_000
    await look(limited, 2)

    assert found(limited, reader) == []


async def test_what_differs_from_the_last_event_is_a_drift_even_when_it_was_missed_twice(
    limited: World, reader: ChangesReader
) -> None:
    await look(limited)
    limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})
    limited.kong.store.update("plugins", PLUGIN, {"config": {"minute": 500}})

    await look_again(limited)

    [drift] = found(limited, reader)
    assert (drift.before["config"]["minute"], drift.after["config"]["minute"]) == (5, 500)


async def test_a_secret_in_the_configuration_is_not_kept(limited: World) -> None:
    secret: dict[str, Any] = {"password": "hunter2", "host": "r"}
    limited.kong.store.update("plugins", PLUGIN, {"config": {"redis": secret}})
    limited.kong.store.insert("keyauth_credentials", {"key": "alpha-key-1", "consumer": {"id": CONSUMER}})

    await look(limited, 2)

    with limited.book as book:
        kept = str(book.connection.execute("SELECT state FROM config_states").fetchall())
    assert "rate-limiting" in kept
    assert "hunter2" not in kept
    assert "alpha-key-1" not in kept


@pytest.mark.parametrize("status", [500, 401])
async def test_a_kong_that_does_not_answer_is_not_taken_for_an_empty_one(
    limited: World, reader: ChangesReader, status: int
) -> None:
    await look(limited)
    limited.now += limited.settings.drift_check_s * 1000
    for _ in range(4):
        limited.kong.fail_with["GET"] = status
        await look(limited)

    assert found(limited, reader) == []
