"""What the pages of changes and blocks say."""

from __future__ import annotations

from domain.blocks import BlockState, Working
from domain.change_actors import Actor, How
from domain.change_risks import Risk
from domain.change_verdict import Outcome
from domain.changes import shown_field, shown_value
from domain.diff import FieldChange
from domain.proposals import Answer, ProposalState
from domain.windows import Window
from ui import wording
from ui.zones import Zone

OPERATIONS = {"create": "+ made", "update": "△ changed", "delete": "\N{MINUS SIGN} deleted"}
RISKS = {
    Risk.LIMIT_RAISED: "▲ limit raised",
    Risk.WINDOW_WIDENED: "▲ window widened",
    Risk.LIMIT_REMOVED: "▲ limit removed",
    Risk.LIMIT_WEAKENED: "▲ limit weakened",
    Risk.PLUGIN_REMOVED: "▲ plugin removed",
    Risk.PLUGIN_DISABLED: "▲ plugin disabled",
    Risk.AUTHENTICATION_REMOVED: "⬣ authentication removed",
    Risk.AUTHENTICATION_WEAKENED: "▲ authentication weakened",
    Risk.RESTRICTION_WIDENED: "▲ restriction widened",
    Risk.CREDENTIAL_ADDED: "● credential added",
    Risk.LOGGING_REMOVED: "▲ logging removed",
    Risk.TLS_WEAKENED: "▲ TLS weakened",
}
"""Icon and word, always together."""
GRAVE = frozenset([Risk.AUTHENTICATION_REMOVED, Risk.LIMIT_REMOVED, Risk.RESTRICTION_WIDENED])
OUTCOMES = {
    Outcome.CAUSED_MORE: ("▲ more refusals", "critical"),
    Outcome.CAUSED_FEWER: ("▼ fewer refusals", ""),
    Outcome.NO_EFFECT: ("✓ no effect seen", ""),
    Outcome.COINCIDED: ("✓ not its doing", ""),
    Outcome.CANNOT_HAVE: ("✓ cannot move refusals", ""),
    Outcome.CANNOT_TELL: ("? cannot tell", "unknown"),
}
NO_ADMIN_API = (
    "Kong's configuration is not read, so whether it is as events told is not known. Set `admin_url` to the "
    "Admin API of each node; docs/connect-kong.md shows how."
)
NO_BLOCKS = "Nobody is blocked now. What a block does, and whether it works, is shown here while it is on."


def no_block_ended(shown: Window, zone: Zone) -> str:
    """No block ended in a span."""
    return f"No block ended from {wording.window(shown, zone)}."


def last_change(at_ms: int | None, now_ms: int) -> str:
    """By the number of changes: the age of the newest."""
    return "none seen in this span" if at_ms is None else f"last {wording.ago(at_ms, now_ms)}"


NOT_JUDGED = "… not judged yet"
PROPOSAL_STATES = {
    ProposalState.ASKED: "… being planned",
    ProposalState.PROPOSED: "◇ waits for approval",
    ProposalState.REFUSED: "✕ no plan",
    ProposalState.APPROVED: "◆ approved, being sent",
    ProposalState.APPLYING: "◆ being applied",
    ProposalState.APPLIED: "✓ applied",
    ProposalState.FAILED: "✕ failed",
    ProposalState.IN_DOUBT: "? in doubt: look at Kong",
    ProposalState.EXPIRED: "○ expired",
    ProposalState.REJECTED: "✕ rejected",
    ProposalState.WITHDRAWN: "○ withdrawn",
}
PROPOSAL_KINDS = {
    "rollback": "Roll back",
    "block": "Block",
    "lift": "Lift a block",
    "limit": "Set a limit",
    "fragment": "Apply a fragment",
}
BLOCK_STATES = {
    BlockState.REQUESTED: "◇ requested",
    BlockState.ACTIVE: "■ on",
    BlockState.EXPIRED: "○ expired",
    BlockState.LIFTED: "○ lifted",
    BlockState.FAILED: "✕ failed",
    BlockState.REFUSED: "✕ not done",
    BlockState.DRY_RUN: "□ dry run",
    BlockState.DRY_RUN_ENDED: "○ dry run ended",
}
WORKINGS = {
    Working.UNTESTED: "no request since",
    Working.SEEN: "✓ seen working",
    Working.LEAKING: "▲ not working",
    Working.UNKNOWN: "? no log tells",
}
DIRECTIONS = {
    "changed": "△ changed in Kong, told by nobody",
    "appeared": "+ there in Kong, told by nobody",
    "vanished": "\N{MINUS SIGN} gone from Kong, told by nobody",
}
NOT_CONNECTED = (
    "No `change_url` is set, so nothing is ever sent to Kong from here. Set it to an Admin API address, and "
    "`change_token_file` where it wants a token; docs/settings.md lists both."
)
ALONE = (
    "Nobody logs in here, so two people cannot be told apart, and nothing can be approved by a second one. "
    "Set up a login, or, if you really work alone, set `approve_own_changes = true`: then you may approve "
    "what you proposed, and the log says that nobody else looked."
)
OWN_ALLOWED = "`approve_own_changes` is set: people may approve what they proposed themselves."
SAMPLE = "This is the recorded sample: there is no Kong behind it that could be changed."
NO_CHANGES = "No change of Kong's configuration"
UNDO_HINT = "Nothing is sent yet: it is planned against Kong as it is now, and another person approves it."
DURATIONS_MIN = {"15 min": 15, "1 h": 60, "4 h": 240, "24 h": 1440, "3 d": 4320, "7 d": 10080}
APPROVAL_ANSWERS = {
    Answer.GIVEN: "Approved. It is sent within seconds.",
    Answer.OWN: "Another person has to approve this: it is your own proposal.",
    Answer.EXPIRED: "Too late: it expired. Propose it again.",
    Answer.CHANGED: "The plan changed while you looked. Look at it again.",
    Answer.NOT_OPEN: "Somebody decided before you.",
    Answer.NAMELESS: "An approval needs a name that a login vouches for.",
    Answer.NOT_TOLD_APART: "Without a login nobody knows whether you are another person.",
}


def actor(found: Actor) -> tuple[str, str]:
    """Who, and how it is known, in a few words."""
    hows = {
        How.TOLD: "told",
        How.REQUEST_ID: "same request",
        How.ENTITY_AND_TIME: "same entity and moment",
        How.KIND_AND_TIME: "likely: same kind and moment",
        How.OURS: "approved here",
        How.UNKNOWN: "",
    }
    if found.name is None:
        return "unknown", f"from {found.client_ip}" if found.client_ip else ""
    return found.name, hows[found.how]


def field_before_after(field: FieldChange) -> tuple[str, str]:
    """A field's two sides as text; a secret says only that it changed."""
    if field.is_secret:
        before = "not set" if field.before is None else "(secret)"
        return (
            before,
            "removed" if field.after is None else "(another secret)" if field.before else "(secret)",
        )
    if field.is_set:
        removed = ", ".join(f"\N{MINUS SIGN} {shown_value(v)}" for v in field.removed)
        added = ", ".join(f"+ {shown_value(v)}" for v in field.added)
        return removed, added
    return shown_value(field.before), shown_value(field.after)


def field_words(field: FieldChange) -> str:
    """A field on one line: `config.minute 60 → 5`, `tags + deprecated`, `name = acl` where it was not set."""
    if field.is_secret or field.is_set:
        return shown_field(field)
    if field.before is None:
        return f"{field.path} = {shown_value(field.after)}"
    return shown_field(field)


def left(until_ms: int | None, now_ms: int) -> str:
    """What is left of a time: `12 min 5 s left`, `over`."""
    if until_ms is None:
        return ""
    return f"{wording.duration(until_ms - now_ms)} left" if until_ms > now_ms else "over"


def applied_on(told: int, nodes: int) -> str:
    """`applied on 2 of 3 nodes`."""
    if not nodes:
        return "nodes unknown"
    return f"applied on {min(told, nodes)} of {wording.counted(nodes, 'node')}"
