"""Secrets out, before anything is stored, logged or shown. The one place that knows what a secret is.

What is masked becomes `[redacted]`. `null`, empty text and booleans stay: that a secret is not set is not
secret. In a change, `redact_change` numbers the masks: equal values get equal numbers, so that a changed
secret still shows as changed.

A secret is found by the name it goes by (`apikey`, `client_secret`, `cookie`, every `key` of an entity),
and, in any text, by its shape: `name=value` in a query, user and password in a URL, `Bearer` and `Basic`
credentials, JSON Web Tokens, PEM private keys.
"""

from __future__ import annotations

import functools
import json
import re
import urllib.parse
from collections.abc import Callable, Collection
from typing import Any

REDACTED = "[redacted]"
_Mask = Callable[[str], str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMES = _words(
    """
    apikey api_key apitoken key keys_alt key_alt secret password passwd passphrase pwd token jwt jws assertion
    authorization proxy_authorization cookie set_cookie session session_id sessionid sid jsessionid phpsessid
    credential credentials client_assertion code_verifier sig signature x_amz_signature
    x_amz_security_token x_kong_signature private jwk
    """
)
_PARTS = ("secret", "passw", "token", "apikey", "api_key", "credential", "private_key", "session_id", "jwt")
"""A name that holds one of these is a secret's: `redis_password`, `x-csrf-token`, `kong-admin-token`."""
_SUFFIXES = ("_key", "_pwd", "_jwk")
_NOT_SECRETS = _words(
    """
    cache_key primary_key foreign_key public_key rsa_public_key hash_key partition_key ssl_cert_key
    hide_credentials token_endpoint authorization_endpoint key_names tokens_count_strategy
    x_credential_identifier credential_identifier authenticated_entity keyauth_credentials schema
    """
)
_QUERY_NAMES = frozenset({"code", "state", "key", "auth"})
"""Secret in a query string only: an OAuth 2 code, and what people call their key."""

_HARMLESS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-,;()*"
_TELLING_NAMES = frozenset(("cache_key", "limits", "querystring"))
"""Their values are read in ways of their own."""

_CREDENTIALS = ("credential", "secret", "token", "session", "authorization_code")
"""Collections with one of these in their name keep credentials: `keyauth_credentials`, `jwt_secrets`."""
_OF_CREDENTIALS = _words(
    """
    id created_at updated_at consumer tags ttl ws_id username name algorithm group expires_in redirect_uris
    client_type hash_secret scope
    """
)
"""Fields of a credential that say whose it is and how it works; all its others are masked."""
_OF_COLLECTION = {"acme_storage": frozenset({"value"}), "licenses": frozenset({"payload"})}
MAX_KEPT_NAME_CHARS = 100
"""Longer names are worked out each time, so that made-up ones take no memory."""
_WINDOWS = _words("second minute hour day month year")

_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
)
_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?")
_SCHEME = re.compile(
    r"\b(Bearer|Basic|Digest|Negotiate|Hmac)(\s+|%20|\+)(?!realm\b)[^\s\"',;]{4,}", re.IGNORECASE
)
_SCHEMES = ("bearer", "basic", "digest", "negotiate", "hmac")
_USERINFO = re.compile(r"(://[^\s/?#:@\"']{0,200}:)([^\s/?#@\"']{1,300})(?=@)")
_PAIR = re.compile(r"(?<![^\s?&;,{\"'(])([\w.%\-\[\]]{1,120})=([\"']?)([^\s&;#\"'<>,})]+)")
_HOOK_PATH = re.compile(
    r"(//(?:hooks\.slack\.com/(?:services|workflows|triggers)|(?:\w+\.)?discord(?:app)?\.com/api/webhooks"
    r"|[\w.-]+\.webhook\.office\.com/webhookb2|[\w.-]+\.logic\.azure\.com/workflows)/)[^\s\"'<>?#]+"
)
"""Chat services' webhook addresses: whoever knows the path may post."""
_JSON_PAIR = re.compile(
    r"""(\\{0,3}["'])([\w.\- ]{1,80})\1(\s{0,9}[:=]\s{0,9})"""
    r"""(\\{0,3}"(?:[^"\\]|\\.)*+"?|\\{0,3}'[^']*+'?|[-\d.eE+]+|\[[^\]]*+\]?|\{[^}]*+\}?)"""
)
_LINE = re.compile(r"(?<![\w\"'.-])([\w.-]{1,80}):([ \t]{1,9})([^\s\"',;{}\[\]]+)")
"""A header or a setting on a line of its own: `apikey: ...`."""
_CACHE_KEY = re.compile(r"\b(\w{0,60}(?:credentials|secrets|tokens|sessions|codes)):(?!\s)[^\s\"',}]+")


def is_secret_name(name: str, extra: Collection[str] = ()) -> bool:
    """True when a field of this name holds a secret; case and `-` or `_` make no difference.

    Args:
        name: Of a field, header or parameter.
        extra: Further names, normalised, such as the `key_names` of key-auth plugins.
    """
    if len(name) > MAX_KEPT_NAME_CHARS:
        return _is_secret(name) or (bool(extra) and _is_extra(name, extra))
    return _is_kept_secret(name) or (bool(extra) and _is_extra(name, extra))


def is_plain_name(name: str) -> bool:
    """True when this name says nothing of its value: `redact` sees the value only."""
    return name not in _TELLING_NAMES and not is_secret_name(name)


def is_plain(text: bytes) -> bool:
    """True only for a JSON text, quotes included, that `redact` leaves alone for sure; no says nothing.

    Whatever is masked needs a space, `=`, `%`, `+`, a quote or a brace in the text, or `//`, `s:` or `eyJ`
    with a dot: so says every search below. 0.2 us, where `redact` takes 2: most new texts of a log entry are
    ids, words and paths.
    """
    left = text.translate(None, _HARMLESS)
    if left == b'""':
        return True
    return not left.strip(b'"/.:') and b"//" not in text and b"s:" not in text and b"eyJ" not in text


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    if plain in _NOT_SECRETS:
        return False
    return plain in _NAMES or plain.endswith(_SUFFIXES) or any(part in plain for part in _PARTS)


_is_kept_secret = functools.lru_cache(maxsize=4_096)(_is_secret)
"""Log entries have the same hundred names again and again: a third of the time that an entry took."""


def _is_extra(name: str, extra: Collection[str]) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in extra and plain not in _NOT_SECRETS


def redact(value: Any, extra: Collection[str] = ()) -> Any:
    """A copy of a JSON value without secrets.

    Args:
        value: Anything JSON, nested at most a few dozen levels.
        extra: Further secret names, such as the `key_names` of key-auth plugins.
    """
    names = frozenset(name.lower().replace("-", "_") for name in extra)
    return _redact(value, names, lambda _: REDACTED)


def redact_change(
    before: Any, after: Any, extra: Collection[str] = (), *, collection: str | None = None
) -> tuple[Any, Any]:
    """Copies of two states of one thing without secrets, their masks numbered alike: `[redacted:1]`.

    Equal secrets have equal numbers within the pair, so a mask whose number differs is a secret that changed.

    Args:
        before: Its state before; None when there was none.
        after: Its state after; None when there is none.
        extra: Further secret names.
        collection: Kong's name of its collection. Of credentials only fields known to be harmless stay.
    """
    names = frozenset(name.lower().replace("-", "_") for name in extra)
    numbers: dict[str, int] = {}

    def mask(secret: str) -> str:
        return f"[redacted:{numbers.setdefault(secret, len(numbers) + 1)}]"

    return (
        _redact_entity(before, collection or "", names, mask),
        _redact_entity(after, collection or "", names, mask),
    )


def redact_text(text: str, extra: Collection[str] = ()) -> str:
    """Text without what has the shape of a secret: a URL, a message, or bytes that could not be read."""
    return _redact_text(text, frozenset(extra), lambda _: REDACTED)


def _redact_entity(entity: Any, collection: str, extra: frozenset[str], mask: _Mask) -> Any:
    if not isinstance(entity, dict):
        return _redact(entity, extra, mask)
    is_credential = any(part in collection for part in _CREDENTIALS)
    secret = _OF_COLLECTION.get(collection, frozenset())
    return {
        key: _masked(value, mask)
        if key in secret or (is_credential and key not in _OF_CREDENTIALS)
        else _redact_field(str(key), value, extra, mask)
        for key, value in entity.items()
    }


def _redact(value: Any, extra: frozenset[str], mask: _Mask) -> Any:
    if isinstance(value, str):
        return _redact_text(value, extra, mask)
    if isinstance(value, dict):
        return {key: _redact_field(str(key), item, extra, mask) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, extra, mask) for item in value]
    return value


def _redact_field(name: str, value: Any, extra: frozenset[str], mask: _Mask) -> Any:
    if is_secret_name(name, extra):
        return _masked(value, mask)
    if isinstance(value, str):
        return mask_cache_key(value) if name == "cache_key" else _redact_text(value, extra, mask)
    if name == "limits" and isinstance(value, dict):
        return {key: _redact_limit(str(key), item, extra, mask) for key, item in value.items()}
    if name == "querystring" and isinstance(value, dict):
        return _redact(value, extra | _QUERY_NAMES, mask)
    return _redact(value, extra, mask)


def _redact_limit(name: str, value: Any, extra: frozenset[str], mask: _Mask) -> Any:
    """A limit of response-ratelimiting, which people may call `tokens`: numbers by window are no secret."""
    is_limit = isinstance(value, dict) and _WINDOWS.issuperset(value)
    if is_limit and not any(isinstance(n, str | list | dict) for n in value.values()):
        return value
    return _redact_field(name, value, extra, mask)


def _masked(value: Any, mask: _Mask) -> Any:
    """A secret's mask; lists and objects keep their outline, so that one can see what there was."""
    if value is None or isinstance(value, bool) or value == "":
        return value
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {key: _masked(item, mask) for key, item in value.items()}
    return mask(str(value))


def _redact_text(text: str, extra: frozenset[str], mask: _Mask) -> str:
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        text = _redact_json(text, extra, mask)
    if "PRIVATE KEY" in text:
        text = _PEM.sub(lambda m: mask(m.group()), text)
    if "eyJ" in text:
        text = _TOKEN.sub(lambda m: mask(m.group()), text)
    if (" " in text or "%20" in text) and _names_scheme(text):
        text = _SCHEME.sub(lambda m: f"{m[1]}{m[2]}{mask(m.group())}", text)
    if "//" in text:
        text = _redact_urls(text, mask)
    if ": " in text:
        text = _LINE.sub(lambda m: _line(m, extra, mask), text)
    if "=" in text:
        text = _PAIR.sub(lambda m: _pair(m, extra, mask), text)
    if '"' in text or "'" in text:
        text = _JSON_PAIR.sub(lambda m: _json_pair(m, extra, mask), text)
    if "s:" in text:
        text = _CACHE_KEY.sub(lambda m: f"{m[1]}:{mask(m.group())}", text)
    return text


def _redact_urls(text: str, mask: _Mask) -> str:
    if "@" in text:
        text = _USERINFO.sub(lambda m: m[1] + mask(m[2]), text)
    return _HOOK_PATH.sub(lambda m: m[1] + mask(m.group()), text)


def _names_scheme(text: str) -> bool:
    """Whether a search for `_SCHEME` may find something: a fifth of its time."""
    folded = text.casefold()
    return any(scheme in folded for scheme in _SCHEMES)


def _redact_json(text: str, extra: frozenset[str], mask: _Mask) -> str:
    """Text that is JSON, as a message in a message may be; left as it is where it holds no secret."""
    try:
        value = json.loads(text)
        masked = _redact(value, extra, mask)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _pair(match: re.Match[str], extra: frozenset[str], mask: _Mask) -> str:
    names = urllib.parse.unquote_plus(match[1]).replace("]", "[").split("[")
    is_secret = any(name and is_secret_name(name, extra | _QUERY_NAMES) for name in names)
    if match[3].startswith("[redacted") or not is_secret:
        return match[0]
    return f"{match[1]}={match[2]}{mask(match[3])}"


def _line(match: re.Match[str], extra: frozenset[str], mask: _Mask) -> str:
    if match[3].startswith("[redacted") or not is_secret_name(match[1], extra):
        return match[0]
    return f"{match[1]}:{match[2]}{mask(match[3])}"


def _json_pair(match: re.Match[str], extra: frozenset[str], mask: _Mask) -> str:
    if not is_secret_name(match[2], extra) or "[redacted" in match[4][:14]:
        return match[0]
    return f"{match[1]}{match[2]}{match[1]}{match[3]}{match[1]}{mask(match[4])}{match[1]}"


_SAFE_CACHES = _words(
    """
    services routes consumers upstreams targets plugins acls certificates snis ca_certificates vaults
    workspaces keys key_sets tags router plugins_iterator filter_chains balancer admin consumer_groups
    consumer_group_consumers consumer_group_plugins parameters clustering event_hooks
    """
)
_HOLDS_CREDENTIALS = re.compile(r"credential|secret|token|session|auth|key|code")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def mask_cache_key(key: str) -> str:
    """A cache key that can be shown: `keyauth_credentials:[redacted]:::::<workspace>`.

    A key is `name:k1:k2:k3:k4:k5:ws_id` (kong/db/dao/init.lua `cache_key`, 3.9), and for credentials k1 is
    the credential itself. The fields may hold colons, so the name is read from the left and the workspace
    from the right. Fields are shown only for entities known to have none that is secret; for all others they
    are masked whole. No hash: credentials that people chose could be guessed from one.
    """
    name, colon, rest = key.partition(":")
    if not colon or name in _SAFE_CACHES:
        return _redact_text(key, frozenset(), lambda _: REDACTED)
    fields, _, workspace = rest.rpartition(":")
    if not _UUID.fullmatch(workspace):
        return f"{name}:{REDACTED}"
    if _UUID.fullmatch(fields.rstrip(":")) and not _HOLDS_CREDENTIALS.search(name):
        return key
    return f"{name}:{REDACTED}:::::{workspace}"
