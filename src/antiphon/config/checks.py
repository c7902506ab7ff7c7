"""Formats of strings in the configuration. Each check answers whether a text is acceptable, and says what would be."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from antiphon.config.seal_keys import ACCEPTED, parse_seal_keys

__all__ = ["CHECKS", "Check"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_DATABASE = re.compile(r"sqlite:///.+|(?:postgresql|postgres)(?:\+psycopg)?://.+")
_API_VERSION = re.compile(r"api-version=[A-Za-z0-9._-]{1,64}")
#: Fields of the upstream body that the codec alone decides.
_OWN_FIELDS = frozenset({"model", "messages", "stream"})


class Check(NamedTuple):
    """A format: the test, and what would be accepted."""

    passes: Callable[[str], bool]
    accepted: str


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _http_url(text: str) -> bool:
    parts = _split(text)
    if parts is None or "@" in parts.netloc:  # a password belongs into `api_key` or `headers`: URLs are logged
        return False
    return not parts.query and not parts.fragment and not any(map(str.isspace, text))


def _base_url(text: str) -> bool:
    """As `_http_url`, but with the one query that is part of an address: a key in it would stand in the logs."""
    address, _, query = text.partition("?")
    return _http_url(address) and (not query or _API_VERSION.fullmatch(query) is not None)


def _web_origin(text: str) -> bool:
    parts = _split(text)
    return text == "*" or (parts is not None and text == f"{parts.scheme}://{parts.netloc}")


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text == "*"
    return True


def _host_or_network(text: str) -> bool:
    return _HOST.fullmatch(text) is not None or (text != "*" and _network(text))


def _model_pattern(text: str) -> bool:
    return bool(text) and text.isprintable() and text == text.strip() and text.count("*") <= 8


CHECKS: Mapping[str, Check] = {
    "base_url": Check(
        _base_url, "an http:// or https:// URL without credentials and fragment; of queries only `api-version`"
    ),
    "proxy_url": Check(lambda text: _split(text) is not None, "an http:// or https:// URL"),
    "web_origin": Check(_web_origin, "`*` or an origin such as https://chat.example.com"),
    "network": Check(_network, "`*`, an IP address, or a network such as 10.0.0.0/8"),
    "host_or_network": Check(_host_or_network, "a host name, an IP address, or a network such as 10.0.0.0/8"),
    "database_url": Check(
        lambda text: _DATABASE.fullmatch(text) is not None,
        "`sqlite:///path` or `postgresql://user:password@host/name`",
    ),
    "seal_keys": Check(lambda text: parse_seal_keys(text) is not None, ACCEPTED),
    "file": Check(lambda text: Path(text).is_file(), "a file that exists"),
    "provider_name": Check(
        lambda text: _NAME.fullmatch(text) is not None, "up to 64 letters, digits, `_`, `-` and `.`"
    ),
    "word": Check(lambda text: _NAME.fullmatch(text) is not None, "up to 64 letters, digits, `_`, `-` and `.`"),
    "model_pattern": Check(_model_pattern, "a model name, or a pattern with at most 8 `*`"),
    "header_name": Check(lambda text: _TOKEN.fullmatch(text) is not None, "a header name"),
    "header_value": Check(lambda text: _VALUE.fullmatch(text) is not None, "one line of plain ASCII"),
    "body_field": Check(lambda text: text not in _OWN_FIELDS, "any field but `model`, `messages` and `stream`"),
}
