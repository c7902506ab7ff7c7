"""Bytes that are almost an answer: exchanges of the corpus with flips, cuts, repeats and tokens that matter to a decoder."""

import random
from collections.abc import Sequence

from tests.providers.corpus import CASES

__all__ = ["Garbler"]

_ANY = (
    b"\n\n", b"\r", b"\r\n\r\n", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b": c\n\n", b"null", b"{}", b"[]", b'""',
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", rb"\ud83d", rb"\ude00", b"\xed\xa0\xbd", b"\xf4\x8f\xbf\xbf", b"\xff",
    b"\x00", b"\xef\xbb\xbf", b"-1", b"1e999", b"99999999999999999999", b"true", b'"index":0', b'"index":-1', b'"index":1e99',
    b"[" * 2000,
)  # fmt: skip
_CHAT = (
    b"<think>", b"</think>", b'"id":"call_1"', b'"name":"get_time"', b'"arguments":"{}"', b'"finish_reason":"stop"',
    b'"error":{"code":429}', b'"tool_calls":[{"function":{"name":"f"}}]', b'"content":[{"type":"thinking","thinking":[]}]',
)  # fmt: skip
_ANTHROPIC = (
    b'"content_block_start"', b'"content_block_delta"', b'"message_stop"', b'"message_delta"', b'"type":"error"',
    b'"tool_use"', b'"server_tool_use"', b'"web_search_tool_result"', b'"thinking"', b'"redacted_thinking"',
    b'"partial_json":"{"', b'"citation":{"url":""}', b'"input":[', b'"usage":{"input_tokens":-1}',
)  # fmt: skip
_GEMINI = (
    b'"text":"x"', b'"thought":true', b'"thoughtSignature":"x"', b'"functionCall":{"name":"f"}', b'"functionCall":{}',
    b'"functionCall":{"args":{"a":1}}', b'"finishReason":"STOP"', b'"error":{"code":429}', b'"toolResponse":{}',
    b'"toolCall":{"toolType":"GOOGLE_SEARCH_WEB"}', b'"partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x"}]',
    b'"willContinue":true',
    b'"groundingMetadata":{"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0,-1,9]}]}',
)  # fmt: skip
_RESPONSES = (
    b'"response.output_item.added"', b'"response.output_item.done"', b'"response.output_text.delta"', b'"output_index":0',
    b'"response.function_call_arguments.done"', b'"response.completed"', b'"response.failed"', b'"type":"error"',
    b'"item_id":"x"', b'"item":{}', b'"output":[]', b'"delta":"x"', b'"status":"incomplete"', b'"usage":{"input_tokens":-1}',
)  # fmt: skip
_OWN = {"anthropic": _ANTHROPIC, "chat": _CHAT, "gemini": _GEMINI, "responses": _RESPONSES}
_LONGEST = 6000


class Garbler:
    """Makes broken answers of one protocol out of its good ones."""

    def __init__(self, protocol: str, dice: random.Random) -> None:
        self._bodies = [case.body()[:_LONGEST] for case in CASES if case.protocol == protocol]
        self._tokens: Sequence[Sequence[bytes]] = (_ANY, _OWN[protocol])
        self._dice = dice
        self._ways = (
            self._flip, self._insert, self._overwrite, self._cut, self._drop, self._repeat, self._splice, self._shuffle,
        )  # fmt: skip

    def body(self) -> bytes:
        """The next one, broken in one to three ways."""
        body = self._dice.choice(self._bodies)
        for _ in range(self._dice.randrange(1, 4)):
            body = self._dice.choice(self._ways)(body)
        return body

    def _place(self, body: bytes) -> int:
        return self._dice.randrange(len(body) + 1)

    def _token(self) -> bytes:
        return self._dice.choice(self._dice.choice(self._tokens))

    def _flip(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + bytes([self._dice.randrange(256)]) + body[place + 1 :]

    def _insert(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + self._token() + body[place:]

    def _overwrite(self, body: bytes) -> bytes:
        place, token = self._place(body), self._token()
        return body[:place] + token + body[place + len(token) :]

    def _cut(self, body: bytes) -> bytes:
        return body[: self._place(body)]

    def _drop(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + body[place + self._dice.randrange(60) :]

    def _repeat(self, body: bytes) -> bytes:
        start = self._place(body)
        return body[: start + self._dice.randrange(300)] + body[start:]

    def _splice(self, body: bytes) -> bytes:
        other = self._dice.choice(self._bodies)
        return body[: self._place(body)] + other[self._place(other) :]

    def _shuffle(self, body: bytes) -> bytes:
        frames = body.split(b"\n\n")
        self._dice.shuffle(frames)
        return b"\n\n".join(frames)
