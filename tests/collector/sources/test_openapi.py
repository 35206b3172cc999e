"""docs/openapi.yaml tells what the HTTP port does, and all of it."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from starlette.requests import Request
from starlette.routing import Route

from collector.admission import ConnectionCaps, OncePerMinute
from collector.metrics import Metrics
from collector.report import Identity, Report
from collector.sources.http import HttpIntake, _answer, application
from collector.writer import Writer
from domain.events import Decoded
from settings import load_settings
from storage.batches import BusState, Written

ROOT = Path(__file__).resolve().parents[3]
SPECIFICATION = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))
INTAKES = [path for path in SPECIFICATION["paths"] if path.startswith("/intake/")]


class Idle:
    """Stands for a writer and a server that have nothing to do."""

    waiting, capacity, notice = 0, 1, ""

    health = SimpleNamespace(state="ok", detail="")


def named(schema: str) -> Any:
    """A schema by its name."""
    return SPECIFICATION["components"]["schemas"][schema]


def statuses_in_code() -> set[int]:
    """Every status that the intakes' code names where it answers."""
    tree = ast.parse((ROOT / "collector/sources/http.py").read_text(encoding="utf-8"))
    found = set()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        if name in ("_refusal", "HTTPException", "_error"):
            found |= {a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, int)}
    return {status for status in found if status >= 100}


def test_every_route_is_written_down_with_its_method() -> None:
    intake = HttpIntake(
        settings=load_settings({}, environ={}),
        tokens=None,
        hook_secret=None,
        writer=cast("Writer", Idle()),
        metrics=Metrics(),
        quiet=OncePerMinute(lambda: 0.0),
        now_ms=lambda: 0,
    )

    async def unused(_request: Any) -> Any:
        raise NotImplementedError

    served = {
        (route.path, method.lower())
        for route in application(intake, unused, unused).routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"  # of every GET
    }

    assert served == {(path, method) for path, of in SPECIFICATION["paths"].items() for method in of}


@pytest.mark.parametrize("path", INTAKES)
def test_every_status_of_the_intakes_is_written_down_and_no_other(path: str) -> None:
    """200, and 405 which the router gives, stand in no call of ours."""
    told = {int(status) for status in SPECIFICATION["paths"][path]["post"]["responses"]}

    assert told == statuses_in_code() | {200, 405}


def test_what_is_answered_has_the_fields_that_are_written_down() -> None:
    answer = _answer(Decoded(), Written(events=0, duplicates=0, traffic=0, quarantined=0))

    assert set(answer) == set(named("Answer")["properties"]) == set(named("Answer")["required"])


def test_what_is_answered_with_a_bus_has_the_fields_that_are_written_down() -> None:
    answer = _answer(Decoded(), Written(is_queued=True))

    assert set(answer) == set(named("Queued")["properties"]) == set(named("Queued")["required"])


@pytest.mark.parametrize(
    ("peer", "expected"), [("127.0.0.1", "properties"), ("192.0.2.1", "required")], ids=["here", "elsewhere"]
)
async def test_health_has_the_fields_that_are_written_down(peer: str, expected: str) -> None:
    """Those that are required are all that others are told."""
    report = Report(Identity(1, "1", 1, "", "", ""), Metrics(), ConnectionCaps(1), lambda: 0)
    report.watch(cast("Writer", Idle()))
    report.bus = lambda: BusState(url="nats://a", is_connected=True)
    request = cast("Request", SimpleNamespace(client=SimpleNamespace(host=peer)))

    answer = await report.healthz(request)

    assert set(yaml.safe_load(bytes(answer.body))) == set(named("Health")[expected])


def test_the_limits_that_it_names_are_those_of_the_settings() -> None:
    assert "`max_message_bytes`\n(1 MiB) long" in SPECIFICATION["info"]["description"]
    assert load_settings({}, environ={}).max_message_bytes == 1_048_576
