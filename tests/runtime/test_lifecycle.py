"""What ends a process for good reason, and what is a bug."""

import pytest

from llmjob.runtime import lifecycle
from llmjob.runtime.access import Access


def test_an_error_of_the_system_is_not_taken_for_a_port(monkeypatch):
    monkeypatch.setattr(lifecycle, "find_access", lambda _: Access(server="http://127.0.0.1:9"))
    monkeypatch.setattr(lifecycle, "set_log_lines", lambda _: None)

    async def process(_: Access, __: lifecycle.Stop) -> None:
        raise PermissionError("bug")

    with pytest.raises(PermissionError):
        lifecycle.run_until_stopped(process, None, "text")
