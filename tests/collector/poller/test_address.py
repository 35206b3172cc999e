from __future__ import annotations

import pytest

from collector.poller.address import parse_admin_url, parse_admin_urls
from settings import SettingValueError


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("http://gw-1:8001", "http://gw-1:8001"),
        ("https://GW-1:8444/", "https://gw-1:8444"),
        ("http://gw-1", "http://gw-1"),
        ("http://edge/admin-api/", "http://edge/admin-api"),
        ("http://[2001:db8::1]:8001", "http://[2001:db8::1]:8001"),
    ],
)
def test_an_address_is_known_by_its_origin_and_path(text: str, label: str) -> None:
    assert parse_admin_url(text).label == label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gw-1:8001", "admin_url is 'gw-1:8001', expected http://HOST:PORT"),
        ("ftp://gw-1", "admin_url is 'ftp://gw-1', expected http://HOST:PORT"),
        ("http://gw-1:port", "admin_url is 'http://gw-1:port', expected http://HOST:PORT"),
        ("http://gw-1:8001/?a=b", "admin_url is 'http://gw-1:8001/?a=b', expected no query and no fragment"),
        ("http://root:pa55@gw-1:8001", "admin_url holds credentials: put the token into admin_token_file"),
        ("ftp://root:pa55@gw-1", "admin_url is '...@gw-1', expected http://HOST:PORT"),
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(text: str, message: str) -> None:
    with pytest.raises(SettingValueError) as refused:
        parse_admin_url(text)

    assert str(refused.value) == message


def test_an_address_given_twice_is_polled_once() -> None:
    found = parse_admin_urls(("http://a:8001", "http://b:8001/", "http://A:8001/"))

    assert [address.label for address in found] == ["http://a:8001", "http://b:8001"]


@pytest.mark.parametrize("path", ["//evil/", "https://evil/", "status", "", "/\\evil"])
def test_no_path_leads_to_another_host(path: str) -> None:
    with pytest.raises(ValueError, match="not a path of an Admin API"):
        parse_admin_url("http://gw-1:8001").url(path)
