"""Client keys: how they are made, and how a request's key is recognised in a few microseconds.

Only the SHA-256 digest of a key is ever kept. A key holds 288 random bits, so a slow password hash would protect
nothing, and would cost every request. Digests are looked up, never compared character by character with a secret, so
the time of an answer tells nothing about a key.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from typing import Never, Protocol, Self

from antiphon.access.principal import Grant, Principal
from antiphon.protocol.faults import AccessFault, StoreFault
from antiphon.protocol.records import KeyRecord

__all__ = ["Clock", "KeyRing", "Keys", "digest_of", "generate"]

#: The longest token worth a look; headers may be much longer.
_TOKEN_CHARS = 1024


class Keys(Protocol):
    """Where keys are kept. Both calls raise `StoreFault` when it cannot answer."""

    async def find_key(self, digest: bytes) -> KeyRecord | None:
        """The key with this digest, usable or not."""

    async def keys_version(self) -> int:
        """A number that changes whenever any key does."""


class Clock(Protocol):
    """Two clocks: one for how old knowledge is, one for expiry dates."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def now(self) -> int:
        """UTC seconds since the epoch."""


def generate() -> tuple[str, bytes, str]:
    """A new key: its text, which is shown once and never kept; its digest; its first characters, for lists."""
    text = "sk-" + secrets.token_urlsafe(36)
    return text, digest_of(text), text[:8]


def digest_of(token: str) -> bytes:
    """The SHA-256 digest by which a key is known."""
    # Any text may come as a key, also one that is no Unicode.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class KeyRing:
    """Recognises keys, and keeps those that it knows.

    `run` asks the store every `poll_s` whether any key has changed and forgets everything when one has: a revoked key
    stops working in every process within a second. While the store is away, known keys live on for `grace_s` after
    its last answer. Used from one event loop; needs no locks.

    Known keys and unknown ones are remembered apart, `capacity` each, the least recently used going first: a flood of
    wrong keys cannot push out a right one.
    """

    def __init__(
        self, keys: Keys, clock: Clock, *, poll_s: float = 0.5, grace_s: float = 300.0, capacity: int = 10_000
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._capacity = capacity
        self._known: OrderedDict[bytes, Grant] = OrderedDict()
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._version: int | None = None
        self._fresh_until = clock.monotonic() + grace_s
        # Counts the times that everything was forgotten, so that an answer that was under way meanwhile is not kept.
        self._generation = 0
        self._poll: asyncio.Task[Never] | None = None

    async def __aenter__(self) -> Self:
        """Poll in a task of this ring, until the block ends."""
        self._poll = asyncio.get_running_loop().create_task(self.run(), name="antiphon-key-poll")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._poll is None:
            return
        self._poll.cancel()
        await asyncio.wait([self._poll])
        if not self._poll.cancelled():
            self._poll.result()  # raises what ended it before its time

    async def run(self) -> Never:
        """Keep the ring up to date until cancelled. For a task group, where `async with` does not fit."""
        while True:
            await self.poll()
            await asyncio.sleep(self._poll_s)

    async def poll(self) -> None:
        """Ask the store once whether a key has changed. A store that is away changes nothing here."""
        try:
            version = await self._keys.keys_version()
        except StoreFault:
            return  # knowledge grows old meanwhile: _fresh_until is what acts on it
        if version != self._version:
            self._version = version
            self._forget()
        self._fresh_until = self._clock.monotonic() + self._grace_s

    def cached(self, token: str, client_address: str) -> Principal | None:
        """The principal of a key that is known, valid and allowed from this address, without waiting for anything.

        `None` says nothing but that `authenticate` has to find out.
        """
        grant = self._recall(digest_of(token)) if len(token) <= _TOKEN_CHARS else None
        if grant is None or not grant.valid_at(self._clock.now()) or not grant.admits(client_address):
            return None
        return grant.principal

    async def authenticate(self, token: str, client_address: str) -> Principal:
        """The principal of a key.

        Raises `AccessFault`: 401 `missing_api_key` without a token; 401 `invalid_api_key` for a key that is unknown,
        revoked, expired or disabled, all alike; 403 `ip_not_allowed` for an address that the key's list does not
        name. Raises `StoreFault` when the key is not known here and the store cannot be asked.
        """
        if not token:
            raise _missing()
        if len(token) > _TOKEN_CHARS:
            raise _invalid()
        digest = digest_of(token)
        grant = self._recall(digest) or await self._load(digest)
        if grant is None or not grant.valid_at(self._clock.now()):
            raise _invalid()
        if not grant.admits(client_address):
            raise _not_from_here()
        return grant.principal

    def _recall(self, digest: bytes) -> Grant | None:
        if self._clock.monotonic() >= self._fresh_until:
            return None
        grant = self._known.get(digest)
        if grant is not None:
            self._known.move_to_end(digest)
        return grant

    async def _load(self, digest: bytes) -> Grant | None:
        fresh = self._clock.monotonic() < self._fresh_until
        if fresh and digest in self._unknown:
            return None
        generation = self._generation
        record = await self._keys.find_key(digest)
        grant = None if record is None else _grant(record)
        if generation == self._generation:
            self._keep(digest, grant)
        return grant

    def _keep(self, digest: bytes, grant: Grant | None) -> None:
        if grant is None:
            self._unknown[digest] = None
            if len(self._unknown) > self._capacity:
                self._unknown.popitem(last=False)
            return
        self._known[digest] = grant
        self._known.move_to_end(digest)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _forget(self) -> None:
        self._generation += 1
        self._known.clear()
        self._unknown.clear()


def _grant(record: KeyRecord) -> Grant:
    try:
        return Grant.of(record)
    except ValueError as error:
        # Refusing the key as invalid would send its owner looking in the wrong place.
        raise StoreFault(f"the address list of key {record.id} cannot be read: {error}") from error


def _missing() -> AccessFault:
    return AccessFault(
        "No API key was given. Send it as `Authorization: Bearer sk-…`, or in `x-api-key`.", code="missing_api_key"
    )


def _invalid() -> AccessFault:
    return AccessFault("The API key is not valid.", code="invalid_api_key")


def _not_from_here() -> AccessFault:
    return AccessFault(
        "This API key may not be used from this address.",
        status=403,
        type="permission_error",
        code="ip_not_allowed",
    )
