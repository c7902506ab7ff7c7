"""Where the keys come from that seal what providers want back: the operator, or a file made at the first start."""

import base64
import os
import secrets
from pathlib import Path

from antiphon.access.alone import alone_in
from antiphon.config.seal_keys import KEY_BYTES, parse_seal_keys
from antiphon.config.secret import Secret

__all__ = ["KEY_FILE", "load_seal_keys"]

#: In the data directory: one key a line, the first of which seals.
KEY_FILE = "seal.keys"


def load_seal_keys(configured: Secret | None, data_dir: Path) -> tuple[bytes, ...]:
    """The keys, at least one. The first seals, all open. Blocks; meant for startup.

    Without keys of the operator's they stand in a file that only its owner can read. It is made where there is none;
    processes that start at once share one, and one that dies meanwhile leaves none or a whole one.

    Raises:
        ValueError: safe to show: these are no keys.
        OSError: the file cannot be read or made.
    """
    if configured is not None:
        return _parsed(configured.value, "store.seal_keys (ANTIPHON_SEAL_KEYS)")
    file = data_dir / KEY_FILE
    if not file.exists():
        with alone_in(data_dir):
            if not file.exists():
                _make(file)
    return _parsed(file.read_text(encoding="ascii", errors="replace"), str(file))


def _parsed(text: str, place: str) -> tuple[bytes, ...]:
    keys = parse_seal_keys(text)
    if keys is None:
        raise ValueError(
            f"{place} does not hold keys of {KEY_BYTES} bytes in base64. Restore it: what was sealed before can only be"
            " opened with its old keys. New keys are made with `openssl rand -base64 32`."
        )
    return keys


def _make(file: Path) -> None:
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)  # of a start that was cut short
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(key + "\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
