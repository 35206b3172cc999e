"""Verdicts on the recorded cluster: the lowered limit caused the jump, the harmless changes are cleared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from changes.verdicts import Verdicts
from domain.change_verdict import Outcome, Verdict, likely_cause
from domain.changes import Change, Operation
from domain.windows import HOUR_MS, Window
from settings import load_settings
from storage.change_book import ChangeBook
from storage.changes_reader import ChangesReader
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore
from tests.storage.test_recorded_cluster import _recorded_batches, store_all

pytestmark = pytest.mark.e2e

ORDERS_LIMIT = "bbddc4e6-b824-43df-a044-726c3dc17563"
LOWERED_MS, RESTORED_MS = 1_795_384_794_089, 1_795_384_875_089
"""When the planned limit change and its return were sent (truth.json, admin_timeline)."""
END_MS = 1_795_384_942_000


class Judged(NamedTuple):
    """Everything that was said of the trace."""

    path: Path
    verdicts: list[tuple[Change, Verdict]]


@pytest.fixture(scope="module")
def judged(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    path = tmp_path_factory.mktemp("verdicts") / "g.db"
    store = SqliteStore(path, load_settings({}, {}))
    store_all(store, alpha)
    store.write(list(_recorded_batches(alpha / "kong-events.jsonl.gz")))
    store.settle()
    store.close()
    totals, changes = SqliteReader(path, 20_000), ChangesReader(path, 20_000)
    found = Verdicts(totals, changes, lambda: END_MS)
    rows = changes.changes(Window(END_MS - HOUR_MS, END_MS))
    yield Judged(path, [(row.change, found.judge(row.change, END_MS)) for row in reversed(rows)])
    totals.close()
    changes.close()


def of(judged: Judged, entity_id: str, at_ms: int) -> Verdict:
    near = [v for c, v in judged.verdicts if c.entity_id == entity_id and abs(c.at_ms - at_ms) < 2_000]
    assert len(near) == 1
    return near[0]


def test_the_planned_limit_change_is_named_the_cause_of_the_jump(judged: Judged) -> None:
    verdict = of(judged, ORDERS_LIMIT, LOWERED_MS)

    assert verdict.outcome is Outcome.CAUSED_MORE
    assert verdict.sentence.startswith("rate-limiting on service orders: config.minute 60 → 5")
    assert "name the new limit of 5 per minute: it is the cause" in verdict.sentence
    assert verdict.ratio is not None
    assert verdict.ratio.low > 1


def test_of_all_changes_it_is_the_one_that_is_named(judged: Judged) -> None:
    cause = likely_cause(judged.verdicts)

    assert cause is not None
    assert (cause.entity_id, abs(cause.at_ms - LOWERED_MS) < 2_000) == (ORDERS_LIMIT, True)


def test_no_other_change_is_blamed_for_more_refusals(judged: Judged) -> None:
    blamed = [c for c, v in judged.verdicts if v.outcome is Outcome.CAUSED_MORE]

    assert [c.entity_id for c in blamed] == [ORDERS_LIMIT]


def test_putting_the_limit_back_is_seen_to_have_ended_it(judged: Judged) -> None:
    verdict = of(judged, ORDERS_LIMIT, RESTORED_MS)

    assert verdict.outcome is Outcome.CAUSED_FEWER


HARMLESS = {
    "consumer mobile-app renamed": ("b1536168-3182-4136-ae34-273c874af17f", 1_795_384_669_089),
    "service accounts: timeout and tags": ("875b6147-eee3-4825-ad55-ef429ee84a0b", 1_795_384_684_089),
    "route accounts-legacy renamed": ("88097176-8eef-4718-9954-a47544a90785", 1_795_384_714_089),
    "a key added": ("3b5e2310-1ed1-4522-8360-d3b73a0ff02e", 1_795_384_734_089),
    "the old key deleted": ("7975f80d-10a9-4594-b3bb-b92faa11e0da", 1_795_384_738_109),
    "http-log in batches": ("09fa7457-9b50-49f2-9c4f-49c38d3e3647", 1_795_384_764_089),
    "a consumer made": ("0080815d-2e91-4793-8db2-1ebced381d32", 1_795_384_866_089),
    "a consumer deleted": ("2aafab01-ac14-4032-a773-d56c99a9c36a", 1_795_384_866_105),
    "a target's weight": ("fdd097f8-3973-4312-8dbd-3d14445a18c1", 1_795_384_913_089),
    "an upstream's tags": ("1052badc-d4ad-4d86-9209-8fa279a52f6b", 1_795_384_913_100),
    "a target made": ("533c7d65-7c3a-4174-8633-f98a6015022f", 1_795_384_913_111),
    "a target deleted": ("533c7d65-7c3a-4174-8633-f98a6015022f", 1_795_384_917_123),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_the_harmless_changes_are_cleared(judged: Judged, what: str) -> None:
    verdict = of(judged, *HARMLESS[what])

    assert verdict.is_cleared, verdict.sentence


def test_what_cannot_be_told_apart_is_not_told_apart(judged: Judged) -> None:
    """The limit of payments was off for eight seconds: nothing can be said of that, and nothing is."""
    payments = "f790974b-fcad-4368-bfdd-5630001206d9"

    for at_ms in (1_795_384_884_089, 1_795_384_892_090):
        assert of(judged, payments, at_ms).outcome in {Outcome.CANNOT_TELL, Outcome.NO_EFFECT}


def test_every_change_gets_a_sentence(judged: Judged) -> None:
    assert len(judged.verdicts) == 151
    assert all(v.sentence for _, v in judged.verdicts)
    assert sum(c.operation == Operation.UPDATE for c, _ in judged.verdicts) == 12


def test_a_round_stores_them_for_those_who_look(judged: Judged) -> None:
    totals, changes = SqliteReader(judged.path, 20_000), ChangesReader(judged.path, 20_000)
    later = END_MS + HOUR_MS
    found = Verdicts(totals, changes, lambda: later)
    with ChangeBook(judged.path) as book:
        while found.round(book):
            pass

    row = next(
        r for r in changes.history("plugins", ORDERS_LIMIT) if abs(r.change.at_ms - LOWERED_MS) < 2_000
    )
    assert row.is_final
    assert row.verdict is not None
    assert row.verdict.outcome is Outcome.CAUSED_MORE
    totals.close()
    changes.close()
