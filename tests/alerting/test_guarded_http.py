from __future__ import annotations

import threading

import pytest

from alerting.guarded_http import Place, is_public, post, seconds_of
from alerting.notifier import DeliveryFailed
from tests.alerting.receiving import receiving

REFUSED = {
    "a file": ("file:///etc/passwd", "not http:// or https://"),
    "no host": ("http:///x", "not http:// or https://"),
    "a mail server": ("http://192.0.2.1:25/", "port 25 is not for the web"),
    "loopback": ("http://127.0.0.1:8001/", "not a public address"),
    "loopback by name": ("http://localhost:8001/", "not a public address"),
    "loopback as a number": ("http://2130706433:8001/", "not a public address"),
    "IPv6 loopback": ("http://[::1]:8001/", "not a public address"),
    "IPv4 inside IPv6": ("http://[::ffff:10.0.0.1]/", "not a public address"),
    "a cloud's metadata": ("http://169.254.169.254/", "not a public address"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_nothing_is_sent_where_nothing_may_be(label: str) -> None:
    url, why = REFUSED[label]

    with pytest.raises(DeliveryFailed, match=why) as caught:
        post(Place(url=url), b"{}", {})

    assert caught.value.permanent


PUBLIC = {
    "8.8.8.8": True, "10.1.2.3": False, "172.16.0.1": False, "192.168.1.1": False, "100.64.0.1": False,
    "127.0.0.1": False, "0.0.0.0": False, "169.254.1.1": False, "224.0.0.1": False, "::1": False,  # noqa: S104
    "fe80::1%eth0": False, "fd00::1": False, "2606:4700::1111": True, "::ffff:127.0.0.1": False,
}  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_is_public_or_not(address: str) -> None:
    assert is_public(address) is PUBLIC[address]


def test_too_much_is_not_sent() -> None:
    with pytest.raises(DeliveryFailed, match="at most 262144 are sent"):
        post(Place(url="http://192.0.2.1/"), b"x" * 300_000, {})


def test_a_receiver_that_says_nothing_is_left_after_the_time_limit() -> None:
    held = threading.Event()
    with receiving() as other:
        other.answer = lambda _: ((held.wait(5) and 204) or 204, {})
        with pytest.raises(DeliveryFailed, match=r"did not answer within 0 s|cannot be reached"):
            post(Place(url=other.url, allow_private=True), b"{}", {}, timeout_s=0.3)
        held.set()


WAITS = {"120": 120.0, "0": 0.0, "soon": None, "Wed, 21 Oct 2015 07:28:00 GMT": 0.0, "-3": None}


@pytest.mark.parametrize("text", WAITS)
def test_retry_after_is_seconds_or_a_date(text: str) -> None:
    assert seconds_of(text) == WAITS[text]
