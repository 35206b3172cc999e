"""Sentences about an address: whether it stands for one client or for many, and about its neighbours."""

from __future__ import annotations

from domain.egress import Egress, EgressHint
from storage.writing.pseudonyms import PSEUDONYM
from ui import wording as words

EGRESS_ICONS = {
    Egress.OWN_NETWORK: ":material/lan:",
    Egress.PROXY: ":material/cloud:",
    Egress.SHARED: ":material/groups:",
    Egress.GUESSING: ":material/key_off:",
    Egress.MIXED: ":material/groups:",
    Egress.SINGLE: ":material/person:",
    Egress.UNKNOWN: ":material/help:",
}


def egress(hint: EgressHint, dominant: str) -> str:
    """What the address most likely is, why, and what follows from it.

    Args:
        hint: What was judged.
        dominant: The name of the consumer that makes most of the requests; empty where none does.
    """
    consumers = words.counted(hint.consumers, "consumer")
    said = {
        Egress.OWN_NETWORK: (
            f"Most likely our own proxy or load balancer and not a client: {consumers} from one address. A "
            "limit by address hits all of them; see trusted_ips and real_ip_header in kong.conf."
        ),
        Egress.PROXY: (
            f"An address of {hint.network}: Kong may see the proxy instead of the client. A limit by "
            "address, or a block, hits everyone who comes that way."
        ),
        Egress.SHARED: (
            f"Looks like a shared egress: {consumers}, {hint.steady:,} of them seldom refused. An office, a "
            "carrier or a cloud; a block hits all of them."
        ),
        Egress.GUESSING: (
            f"Looks like somebody who tries keys: {hint.unauthorized_ratio * 100:.0f} % of its requests were "
            f"answered 401, {consumers} named."
        ),
        Egress.MIXED: (
            f"{consumers} behind one address, and only {hint.steady:,} of them seldom refused: a shared "
            "egress in trouble, or one client with many keys. Look at them before you block it."
        ),
        Egress.SINGLE: (
            f"Stands for one client: {dominant or 'one consumer'} makes nearly all of its requests."
        ),
        Egress.UNKNOWN: (
            f"{consumers} behind it: too little to say whether it stands for one client or for many."
            if hint.requests
            else "Nothing was seen behind it in this span."
        ),
    }[hint.egress]
    is_private = bool(hint.network) and hint.egress != Egress.PROXY
    return f"In {hint.network}. {said}" if is_private else said


def neighbours(network: str, others: int, refused: int, violations: int) -> str:
    """Whether the neighbourhood does the same."""
    if not others:
        return f"No other address of {network} was seen in this span."
    seen = f"{words.counted(others, 'other address', 'other addresses')} of {network}"
    if not refused:
        return f"{seen} seen, none refused."
    times = words.counted(violations, "violation")
    if refused == others:
        return f"{seen} seen, all refused: {times} together."
    return f"{seen} seen, {refused:,} of them refused: {times} together."


def replaced(token: str) -> str | None:
    """What an address is that is none any more; None for addresses."""
    if not token.startswith(PSEUDONYM):
        return None
    return (
        "This stands for an address whose name was given up because nothing new referred to it "
        "(pseudonymise_addresses_days). Its numbers are all there; its payloads are gone."
    )
