"""One container's lives, as its status tells of them."""

import sys
from pathlib import Path

import aiohttp
import pytest

from controlplane.kubelet.container import Container

FALLBACK = "FallbackToLogsOnError"


async def ended(tmp_path: Path, program: str, policy: str | None = FALLBACK) -> dict[str, object]:
    """How the container's life ended, after an earlier one that wrote `before`."""
    log = tmp_path / "main.log"
    log.write_text("before\n")
    spec = {"name": "main", **({"terminationMessagePolicy": policy} if policy else {})}
    async with aiohttp.ClientSession() as session:
        container = Container(
            spec, command=lambda _info: [sys.executable, "-c", program], environment={}, address="127.0.0.1",
            log=log, session=session, changed=lambda: None,
        )  # fmt: skip
        await container.run("Never")
    terminated = container.state.state["terminated"]
    assert isinstance(terminated, dict)
    return terminated


async def test_an_errors_message_is_what_its_life_has_written(tmp_path: Path) -> None:
    found = await ended(tmp_path, "raise SystemExit('unknown key')")
    assert (found["exitCode"], found["message"]) == (1, "unknown key\n")


@pytest.mark.parametrize(("code", "policy"), [(0, FALLBACK), (1, "File"), (1, None)])
async def test_there_is_none_after_success_or_where_the_log_is_not_asked_for(
    tmp_path: Path, code: int, policy: str | None
) -> None:
    assert "message" not in await ended(tmp_path, f"print('x'); raise SystemExit({code})", policy)


async def test_it_has_at_most_80_lines_and_2048_bytes_the_last_ones(tmp_path: Path) -> None:
    found = await ended(tmp_path, "print('\\n'.join(map(str, range(200)))); raise SystemExit(1)")
    assert str(found["message"]).split() == [str(number) for number in range(120, 200)]
    found = await ended(tmp_path, "print('a' * 1000 + 'b' * 2047); raise SystemExit(1)")
    assert found["message"] == "b" * 2047 + "\n"
