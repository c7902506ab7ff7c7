"""Names and ids that fit everywhere: pure functions, so that the answer can be read with what the request says."""

import hashlib
import re
from collections.abc import Iterable, Mapping

__all__ = ["clients_names", "wire_call_id", "wire_name"]

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

#: OpenAI refuses longer ids of calls; other providers, whose calls may be in the history, make them.
_LONGEST_ID = 40


def wire_name(name: str) -> str:
    """The name itself where every upstream takes it; otherwise as much of it as is safe, and a hash."""
    if _SAFE_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return f"{_UNSAFE.sub('_', name)[:53]}_{digest[:10]}"


def clients_names(names: Iterable[str]) -> Mapping[str, str]:
    """Name on the wire -> the client's name, for those that differ."""
    return {wire: name for name in names if (wire := wire_name(name)) != name}


def wire_call_id(call_id: str, shape: str) -> str:
    """The id of a call, the same for the call and its output. `alnum9`: nine letters and digits (Mistral)."""
    if shape == "alnum9":
        return call_id if _NINE.fullmatch(call_id) else _nine(call_id)
    if len(call_id) <= _LONGEST_ID:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:24]


def _nine(call_id: str) -> str:
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "replace")).digest()[:8])
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
