"""TLS for both listeners: one certificate, read once, checked before anything listens."""

from __future__ import annotations

import ssl
from pathlib import Path

from collector.tokens import read_secret_file
from settings import SettingValueError

HANDSHAKE_LIMIT_S = 5.0
"""How long a peer may take for its TLS handshake; asyncio would wait for a minute."""


def server_context(cert_file: str, key_file: str) -> ssl.SSLContext | None:
    """What both listeners speak TLS 1.2 or newer with; None when neither file is named.

    Args:
        cert_file: PEM, the certificate first, then those that sign it.
        key_file: PEM, its private key, not encrypted; only its owner and group may read it.

    Raises:
        SettingValueError: One file without the other, a file that cannot be read, a key that others may
            read, or a pair that does not fit together.
    """
    if not cert_file and not key_file:
        return None
    if not (cert_file and key_file):
        missing = "tls_key_file" if cert_file else "tls_cert_file"
        raise SettingValueError(f"{missing} is not set, expected both tls_cert_file and tls_key_file")
    read_secret_file(key_file, "TLS key file")
    if not Path(cert_file).is_file():
        raise SettingValueError(f"TLS certificate file {cert_file} cannot be read: no such file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise SettingValueError(
            f"TLS certificate {cert_file} with key {key_file} cannot be used: {reason}"
        ) from error
    return context


def _no_password() -> str:
    """A service cannot be asked for a password; without this, OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted, expected one without a password")
