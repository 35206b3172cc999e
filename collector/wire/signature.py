"""Signatures of Kong Enterprise event hooks: an HMAC of the raw body in `X-Kong-Signature`.

Kong before 3.14 sends `sha1=<hex>`, from 3.14 on HMAC-SHA256 (Kong's list of breaking changes, 3.14.0.0). The
algorithm is read from the prefix; bare hexadecimal digits are told apart by their number. The signature
covers no time and no id, so a captured body stays valid for ever: TLS has to keep it secret.
"""

from __future__ import annotations

import hmac

HEX_DIGITS = {"sha1": 40, "sha256": 64}
"""Algorithms that are taken, and how many digits each gives."""


def is_signed(body: bytes, header: str | None, secret: bytes) -> bool:
    """Whether a header signs these bytes with this secret; as slow for a wrong signature as for a right one.

    Args:
        body: The body exactly as it was received.
        header: `sha1=...`, `sha256=...` or the bare digits; None when there was none.
        secret: The hook's `config.secret`. An empty one signs nothing.
    """
    if not header or not secret:
        return False
    prefix, separator, digits = header.strip().rpartition("=")
    algorithm = prefix.lower() if separator else _algorithm_of(digits)
    if algorithm not in HEX_DIGITS or len(digits) != HEX_DIGITS[algorithm]:
        return False
    expected = hmac.new(secret, body, algorithm).hexdigest()
    return hmac.compare_digest(expected.encode(), digits.lower().encode("utf-8", "surrogateescape"))


def _algorithm_of(digits: str) -> str:
    return next((name for name, length in HEX_DIGITS.items() if length == len(digits)), "")
