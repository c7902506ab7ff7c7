"""Lone surrogates in JSON, which is legal on the wire and which no strict decoder takes."""

import re

__all__ = ["repair_surrogates"]

_PAIRED_OR_LONE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\xed([\xa0-\xbf])([\x80-\xbf])"
)

# The decoder refuses lone surrogates, so that they travel through it as other characters: a block of 2,048 private ones
# that the frame does not have, with the patterns by which it would be seen there. `halves.Halves` turns them back.
_STAND_INS = (
    (0x10F800, re.compile(rb"\xf4\x8f[\xa0-\xbf]|\\udbf[ef]\\ud[c-f]", re.IGNORECASE)),
    (0x10F000, re.compile(rb"\xf4\x8f[\x80-\x9f]|\\udbf[cd]\\ud[c-f]", re.IGNORECASE)),
    (0xFF800, re.compile(rb"\xf3\xbf[\xa0-\xbf]|\\udbbe\\ud[c-f]|\\udbbf\\ud[c-f]", re.IGNORECASE)),
)
_REPLACEMENT = "\ufffd".encode()


def repair_surrogates(frame: bytes) -> tuple[bytes, int]:
    """The same JSON without lone surrogates, escaped or as raw bytes, and where the block of their stand-ins begins.

    Block 0: all blocks are taken, and U+FFFD stands in for them.
    """
    base = next((base for base, pattern in _STAND_INS if pattern.search(frame) is None), 0)

    def stand_in(match: re.Match[bytes]) -> bytes:
        escaped, high, low = match.groups()
        if escaped is not None:
            unit = int(escaped, 16)
        elif high is not None:
            unit = 0xD000 | (high[0] & 0x3F) << 6 | low[0] & 0x3F
        else:
            return match.group()
        return chr(base + unit - 0xD800).encode() if base else _REPLACEMENT

    return _PAIRED_OR_LONE.sub(stand_in, frame), base
