"""Is this answer a refusal by a limit of Kong's, and how sure can we be.

The one judgement, from what a log entry shows (`judge`) and, later, from the plugins that were in force
(`settle`). What Kong sends is read from its source at 3.9: kong/plugins/rate-limiting/handler.lua,
kong/plugins/response-ratelimiting/{access,header_filter}.lua, kong/plugins/request-termination/handler.lua,
kong/pdk/response.lua, kong/tools/http.lua.

| seen | so it is |
|---|---|
| Kong answered, `Retry-After`, and 429 or `RateLimit-Remaining: 0` | certain: a denial by rate-limiting |
| 429 by Kong after the upstream answered, a named limit at 0 | certain: response-ratelimiting |
| 429 by the upstream | not Kong's, whatever headers it carries |
| 429 by Kong, JSON shorter than its error template can be | ruled out: another plugin answered |
| 429 by Kong, anything else | probable: headers hidden, or another plugin |

`RateLimit-*` headers without `Retry-After` prove nothing: a request that a limit let pass, the last one of
its window even with 0 remaining, can be ended by request-termination afterwards and still carries them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.events import Certainty, PluginSeen
from domain.limits import ADVANCED, Limit, limits_of, number_in, strictest_reached, text_in

TOO_MANY_REQUESTS = 429
ERROR_TEMPLATE_BYTES = 69
"""Bytes of Kong's JSON error answer around its message: the template and a request id of 32 characters
(kong/tools/http.lua ERROR_TEMPLATES, from 3.5 on, the version that began to log `request.id`)."""
MESSAGE_BYTES = 14
"""Bytes of `{"message":"..."}` around the message, as kong.response.exit sends it."""
DEFAULT_MESSAGE = "API rate limit exceeded"
_OPEN_SOURCE_KONG = re.compile(r"kong/\d+\.\d+\.\d+")
"""Enterprise says kong/3.9.1.0-enterprise-edition; how its limiters word a refusal we cannot read."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a log entry says about one answer."""

    status: int
    source: str | None
    """`kong` or `upstream`; None before Kong 3.6, which did not say."""
    upstream_status: str | None = None
    """As logged: empty when the upstream was not called, `502, 200` after a retry, None when not logged."""
    has_tries: bool = False
    has_request_id: bool = False
    """The entry carries `request.id`, so Kong is 3.5 or later."""
    headers: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Response headers, names in lower case, values text or lists of text."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How sure we are that a limit refused, and which one."""

    certainty: Certainty | None
    """None: not a refusal by a limit of Kong's."""
    evidence: str | None = None
    limit_name: str | None = None
    limit_value: int | None = None
    window_s: int | None = None


NOT_A_REFUSAL = Judgement(certainty=None)


def answered_by(answer: Answer) -> str:
    """Who gave the final status, `kong` or `upstream`; worked out where Kong does not say (before 3.6)."""
    if answer.source is not None:
        return "upstream" if answer.source == "upstream" else "kong"
    if answer.upstream_status is None:
        return "upstream" if answer.has_tries else "kong"
    return "upstream" if _last_upstream_status(answer) == answer.status else "kong"


def judge(answer: Answer) -> Judgement:
    """Judge one answer by itself."""
    retry_after = "retry-after" in answer.headers
    if not (retry_after or answer.status == TOO_MANY_REQUESTS) or answered_by(answer) == "upstream":
        return NOT_A_REFUSAL
    if retry_after:
        return _judge_retry_after(answer)
    reached = strictest_reached(answer.headers, named=True)
    if reached is not None and _last_upstream_status(answer) is not None:
        return _judgement(
            Certainty.CERTAIN,
            f"429 by Kong after the upstream answered, and {reached.name} is used up",
            reached,
        )
    return _judge_bare(answer)


def _judge_retry_after(answer: Answer) -> Judgement:
    used_up = number_in(answer.headers, "ratelimit-remaining") == 0
    if not used_up and answer.status != TOO_MANY_REQUESTS:
        return NOT_A_REFUSAL
    reached = strictest_reached(answer.headers, named=False)
    value = number_in(answer.headers, "ratelimit-limit")
    if reached is None:
        reached = Limit(name=None, value=value, window_s=None)
    elif reached.value is None:
        reached = Limit(name=reached.name, value=value, window_s=reached.window_s)
    also = " and RateLimit-Remaining 0" if used_up else ""
    return _judgement(Certainty.CERTAIN, f"{answer.status} by Kong with Retry-After{also}", reached)


def _judge_bare(answer: Answer) -> Judgement:
    upstream = _last_upstream_status(answer)
    if upstream is not None:
        evidence = f"429 by Kong after the upstream answered {upstream}, as response-ratelimiting does"
        return Judgement(certainty=Certainty.PROBABLE, evidence=evidence)
    length = number_in(answer.headers, "content-length")
    if length is not None and _is_too_short(answer, length):
        evidence = (
            f"429 by Kong in {length} bytes; its limiters answer with {ERROR_TEMPLATE_BYTES} bytes or more"
        )
        return Judgement(certainty=Certainty.RULED_OUT, evidence=evidence)
    evidence = "429 by Kong without Retry-After: limit headers hidden, or another plugin"
    if length == ERROR_TEMPLATE_BYTES + len(DEFAULT_MESSAGE):
        evidence += f"; {length} bytes is the length of a limiter's default answer"
    return Judgement(certainty=Certainty.PROBABLE, evidence=evidence)


def _is_too_short(answer: Answer, length: int) -> bool:
    headers = answer.headers
    return (
        answer.has_request_id
        and length < ERROR_TEMPLATE_BYTES
        and text_in(headers, "content-type").startswith("application/json")
        and _OPEN_SOURCE_KONG.fullmatch(text_in(headers, "server")) is not None
    )


def _last_upstream_status(answer: Answer) -> int | None:
    """The last status that an upstream gave; None when none answered (`-` is a lost connection)."""
    last = (answer.upstream_status or "").rpartition(",")[2].strip()
    return int(last) if last.isascii() and last.isdigit() and len(last) == 3 else None  # noqa: PLR2004 - digits of a status


def _judgement(certainty: Certainty, evidence: str, limit: Limit | None) -> Judgement:
    if limit is None:
        return Judgement(certainty=certainty, evidence=evidence)
    return Judgement(
        certainty=certainty,
        evidence=evidence,
        limit_name=limit.name,
        limit_value=limit.value,
        window_s=limit.window_s,
    )


def settle(
    certainty: Certainty, status: int, answer_bytes: int | None, plugins: Sequence[PluginSeen]
) -> Judgement:
    """Judge a probable or ruled-out answer again by the plugins that were in force for its request.

    Args:
        certainty: As judged before; certain stays certain.
        status: Of the answer.
        answer_bytes: Its content-length; None when not logged.
        plugins: What `domain.plugins.plugins_in_force` gives for that request; empty when unknown.

    Returns:
        The new judgement. With nothing to go by, the same certainty without evidence.
    """
    unchanged = Judgement(certainty=certainty)
    if certainty is Certainty.CERTAIN:
        return unchanged
    limiters = [p for p in plugins if _may_refuse_unseen(p, status)]
    terminators = [p for p in plugins if _terminates_with(p, status)]
    if limiters and terminators:
        return _settle_by_length(answer_bytes, limiters, terminators)
    if not _runs_for_sure(limiters or terminators):
        return unchanged
    if terminators:
        evidence = f"request-termination answers {status} here, and no limiter that hides its headers"
        return Judgement(certainty=Certainty.RULED_OUT, evidence=evidence)
    if certainty is Certainty.RULED_OUT and not _explains(answer_bytes, limiters):
        return unchanged
    return _refused_by(limiters, f"{limiters[0].name} refuses with {status} here without limit headers")


def _settle_by_length(
    answer_bytes: int | None, limiters: Sequence[PluginSeen], terminators: Sequence[PluginSeen]
) -> Judgement:
    limited, terminated = _explains(answer_bytes, limiters), _explains(answer_bytes, terminators)
    if limited and not terminated:
        return _refused_by(limiters, f"{answer_bytes} bytes is what {limiters[0].name} answers here")
    if terminated and not limited:
        evidence = f"{answer_bytes} bytes is what request-termination answers here"
        return Judgement(certainty=Certainty.RULED_OUT, evidence=evidence)
    evidence = f"{limiters[0].name} and request-termination both answer so here"
    return Judgement(certainty=Certainty.PROBABLE, evidence=evidence)


def _refused_by(limiters: Sequence[PluginSeen], evidence: str) -> Judgement:
    limits = [limit for plugin in limiters for limit in limits_of(plugin)]
    return _judgement(Certainty.CERTAIN, evidence, limits[0] if len(limits) == 1 else None)


def _may_refuse_unseen(plugin: PluginSeen, status: int) -> bool:
    """True for a limiter whose refusal with this status carries no limit headers."""
    config = plugin.config
    hidden = bool(config.get("hide_client_headers"))
    if plugin.name == "rate-limiting" or plugin.name in ADVANCED:
        return hidden and config.get("error_code", TOO_MANY_REQUESTS) == status
    if plugin.name == "response-ratelimiting":
        return status == TOO_MANY_REQUESTS and (hidden or bool(config.get("block_on_first_violation")))
    return False


def _runs_for_sure(plugins: Sequence[PluginSeen]) -> bool:
    """Whether one of them runs for every request that it matches, not only for the consumers of a group."""
    return any(plugin.consumer_group_id is None for plugin in plugins)


def _terminates_with(plugin: PluginSeen, status: int) -> bool:
    return plugin.name == "request-termination" and plugin.config.get("status_code", 503) == status


def _explains(answer_bytes: int | None, plugins: Sequence[PluginSeen]) -> bool:
    return answer_bytes is not None and any(answer_bytes in _answer_lengths(p) for p in plugins)


def _answer_lengths(plugin: PluginSeen) -> set[int]:
    """How long a plugin's JSON answer may be, in bytes, with and without a request id."""
    config = plugin.config
    if isinstance(config.get("body"), str):
        return {len(config["body"].encode())}
    if plugin.name == "request-termination":
        message = config.get("message")
        return {MESSAGE_BYTES + len(message.encode())} if isinstance(message, str) else {0}
    if plugin.name == "response-ratelimiting":
        limits = config.get("limits")
        names = list(limits) if isinstance(limits, Mapping) else []
        messages = [f"{DEFAULT_MESSAGE} for '{name}'" for name in names]
    else:
        messages = [str(config.get("error_message") or DEFAULT_MESSAGE)]
    sizes = {len(message.encode()) for message in messages}
    return {ERROR_TEMPLATE_BYTES + n for n in sizes} | {MESSAGE_BYTES + n for n in sizes}
