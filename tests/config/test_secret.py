import copy
import traceback
from io import StringIO

import msgspec
import pytest
from rich.console import Console
from rich.pretty import Pretty

from antiphon.config.secret import Secret
from antiphon.protocol.target import Credential


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hunter2")
    out = StringIO()
    Console(file=out).print(secret, Pretty(Credential("a", secret)))
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s" % secret, out.getvalue(), repr([secret])]  # noqa: UP031 - the form is under test
    shown.append("".join(traceback.format_exception(ValueError(secret))))
    assert not any("hunter2" in text for text in shown)
    assert all("***" in text for text in shown)


def test_a_secret_cannot_be_encoded() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Credential("a", Secret("hunter2")))


def test_secrets_are_values() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert copy.deepcopy(Secret("a")).value == "a"
