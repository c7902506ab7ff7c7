"""The longest a run may take."""

from pathlib import Path

from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Reply, ThreadedUpstream, sse, text_chunks


def test_a_run_that_takes_too_long_fails_with_what_there_was(tmp_path: Path) -> None:
    chunks = text_chunks("Hello", "world")
    endless = Reply(
        parts=[*sse(*chunks[:2], done=False), "stall"], framing="chunked", headers={"content-type": "text/event-stream"}
    )
    limit = {"limits": {"run_s": 0.4}}
    with ThreadedUpstream(endless) as up, Gateway(up.url, tmp_path, config=limit) as gateway:
        checked = check_stream(gateway.stream(input="Hi"), usage_optional=True)
        assert checked.response["status"] == "failed"
        assert checked.response["error"]["reason"] == "run_timeout"
        assert checked.text
        up.closed(0)
