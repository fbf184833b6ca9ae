"""The demonstration, as `make demo ARGS=--once` runs it."""

import subprocess
import sys
from pathlib import Path

from controlplane.start import ControlPlane

ROOT = Path(__file__).resolve().parents[2]


def test_all_that_the_demonstration_promises_is_so(control_plane: ControlPlane) -> None:
    assert control_plane.api_server.running  # the binaries are there
    done = subprocess.run(
        [sys.executable, "-m", "controlplane", "demo", "--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "✗" not in done.stdout
    for promise in (
        "the 405B job gets its Warning",
        "with llmjob no pod is on a card too small for its measured need",
        "the re-created 405B LLMJob is refused under enforce",
        "the bare pod of the 405B job is refused under enforce",
        "pods are on a card too small (at least a third)",
        "the report finds mistral-7b-lora above its prediction",
        "the report finds that llama-8b-lora ran out of GPU memory",
        "llama-70b-serving, qwen3-30b-serving, qwen3-8b-serving needed what was predicted",
        "no measured use is the predicted figure itself",
        "LLMJobAboveEstimate fired for mistral-7b-lora and for no other job",
        "LLMJobOutOfGPUMemory fired for llama-8b-lora",
        "llama-8b-lora has the condition MemoryExhausted and one event that says so",
    ):
        assert promise in done.stdout
