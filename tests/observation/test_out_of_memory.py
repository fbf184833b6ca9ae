"""Messages as programs write them, each with where it was seen."""

import re
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.observation import claim, signatures
from llmjob.observation.out_of_memory import Ending, read_ending, read_text
from llmjob.observation.signatures import LOOK_ALIKES, SIGNATURES, Cause

DATA = Path(__file__).parent / "data"
RECOGNISED = tomllib.loads((DATA / "recognised.toml").read_text(encoding="utf-8"))["recognised"]
OTHERS = tomllib.loads((DATA / "look_alikes.toml").read_text(encoding="utf-8"))["look_alike"]
GIB = 2**30
TORCH = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
    "GPU 0 has a total capacity of 22.00 GiB of which 1.00 GiB is free."
)


def ended(text, code=1, reason="Error"):
    return read_ending({"exitCode": code, "reason": reason, "message": text})


@pytest.mark.parametrize("case", RECOGNISED, ids=[case["name"] for case in RECOGNISED])
def test_exhausted_gpu_memory_is_recognised_with_what_the_message_says(case):
    found = ended(case["text"], case["exit_code"])
    assert found.cause is Cause.GPU_OUT_OF_MEMORY
    assert found.claim is not None
    said = (found.claim.signature, found.claim.asked, found.claim.allocated, found.claim.total)
    assert said == (case["signature"], case.get("asked"), case.get("allocated"), case.get("total"))


@pytest.mark.parametrize("case", OTHERS, ids=[case["name"] for case in OTHERS])
def test_what_only_looks_like_it_is_told_apart(case):
    assert ended(case["text"], case["exit_code"], case["reason"]) == Ending(Cause(case["cause"]))


def test_the_fixtures_are_many_and_each_says_where_it_was_seen():
    assert len(RECOGNISED) >= 40
    assert len(OTHERS) >= 15
    for case in (*RECOGNISED, *OTHERS):
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+", case["source"]), case["name"]
    names = Counter(case["name"] for case in (*RECOGNISED, *OTHERS))
    assert max(names.values()) == 1


@pytest.mark.parametrize("index", range(len(SIGNATURES)))
def test_no_signature_could_be_left_out(index):
    kept = [*SIGNATURES[:index], *SIGNATURES[index + 1 :]]

    def names(text, rows):
        return [next((row.name for row in rows if row.pattern.search(line)), None) for line in text.splitlines()]

    assert any(names(case["text"], kept) != names(case["text"], SIGNATURES) for case in RECOGNISED)


@pytest.mark.parametrize("row", LOOK_ALIKES, ids=lambda row: row.pattern.pattern[:40])
def test_every_look_alike_is_seen_in_a_fixture(row):
    assert any(row.pattern.search(case["text"]) for case in (*OTHERS, *RECOGNISED))


def test_the_reason_oomkilled_is_the_hosts_memory_whatever_the_text_and_code():
    assert ended(TORCH, 0, "OOMKilled") == Ending(Cause.HOST_OUT_OF_MEMORY)


def test_whoever_completed_ran_out_of_nothing():
    assert ended(TORCH, 0, "Completed") == Ending(Cause.COMPLETED)


def test_without_a_message_nothing_is_recognised():
    assert read_ending({"exitCode": 1, "reason": "Error"}) == Ending(Cause.OTHER)


@pytest.mark.parametrize("state", [{}, {"exitCode": "1", "message": 7}, {"message": None, "reason": []}])
def test_an_odd_state_is_no_error(state):
    assert read_ending(state).cause is Cause.OTHER


def test_of_exhausted_memories_the_last_counts():
    host = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."
    assert read_text(f"{TORCH}\n{host}") == Ending(Cause.HOST_OUT_OF_MEMORY)
    assert read_text(f"{host}\n{TORCH}").cause is Cause.GPU_OUT_OF_MEMORY


def test_a_fault_that_follows_exhausted_memory_is_its_consequence():
    fault = "CUDA error: an illegal memory access was encountered"
    assert read_text(f"{TORCH}\n{fault}").cause is Cause.GPU_OUT_OF_MEMORY
    assert read_text(f"{fault}\n{TORCH}").cause is Cause.GPU_OUT_OF_MEMORY


def test_the_last_line_that_says_how_much_was_asked_for_speaks():
    more = TORCH.replace("2.00 GiB", "3.00 GiB", 1)
    found = read_text(f"{TORCH}\n{more}\nRuntimeError: CUDA error: out of memory")
    assert found.claim is not None
    assert found.claim.asked == 3 * GIB


def test_only_the_last_4096_characters_are_considered():
    assert read_text(TORCH + "\n" + "x" * 3900).cause is Cause.GPU_OUT_OF_MEMORY
    assert read_text(TORCH + "\n" + "x" * 4096).cause is Cause.OTHER


def test_a_claim_is_capped_at_the_card():
    found = read_text(
        "CUDA out of memory. Tried to allocate 900.00 TiB "
        "(GPU 0; 500.00 GiB total capacity; 30.00 GiB already allocated)"
    ).claim
    assert found is not None
    capped = found.capped(24 * GIB)
    assert (capped.asked, capped.allocated, capped.total) == (24 * GIB, 24 * GIB, 24 * GIB)
    assert (capped.signature, capped.excerpt) == (found.signature, found.excerpt)
    small = read_text(TORCH).claim
    assert small is not None
    assert small.capped(24 * GIB) == small


def test_absurd_numbers_are_no_claim():
    found = read_text(f"CUDA out of memory. Tried to allocate {'9' * 40} GiB").claim
    assert found is not None
    assert found.asked is None


def test_the_excerpt_begins_with_the_error_and_is_short_and_printable():
    found = read_text("\x1b[36m(Worker pid=1)\x1b[0m ERROR CUDA out of memory.\tTried \x07" + "y" * 400).claim
    assert found is not None
    assert found.excerpt.startswith("CUDA out of memory. Tried")
    assert found.excerpt.isprintable()
    assert len(found.excerpt) <= 240


def repeats(node):
    """Every (least, most) of a parsed pattern with the depth of quantifiers around it."""
    from re import _constants, _parser

    def walk(items, around):
        for op, value in items:
            if op in {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}:
                _, most, inner = value
                yield most, around
                yield from walk(inner, around * most)
            elif op is _constants.SUBPATTERN:
                yield from walk(value[3], around)
            elif op is _constants.BRANCH:
                for branch in value[1]:
                    yield from walk(branch, around)

    return walk(_parser.parse(node.pattern, node.flags), 1)


PATTERNS = [
    *(row.pattern for row in (*SIGNATURES, *LOOK_ALIKES)),
    *claim._ASKED,
    *claim._TOTAL,
    *claim._ALLOCATED,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:40])
def test_every_quantifier_is_bounded(pattern):
    for most, around in repeats(pattern):
        assert most <= 200
        assert most * around <= 200


WORST = [
    "(", "a", "1", "1,", "1.", " ", "a(", "if you ", "CUDA error ", "0 GiB ", "111,111 ", "Free memory on device ",
    "OOM when allocating tensor with ", "[TensorRT-LLM][ERROR] CUDA runtime error in ",
    "Error out of memory at line 1 in file ",
]  # fmt: skip


@pytest.mark.parametrize("unit", WORST)
def test_hostile_text_takes_no_time(unit):
    text = (unit * 4096)[:4096]
    begin = time.process_time()
    read_text(text)
    assert time.process_time() - begin < 0.1


@given(st.text(max_size=300) | st.sampled_from(RECOGNISED).map(lambda case: case["text"][7:]))
def test_any_text_is_read(text):
    found = read_text(text)
    assert (found.claim is not None) == (found.cause is Cause.GPU_OUT_OF_MEMORY)


def test_causes_are_words_for_a_metric():
    assert {str(cause) for cause in signatures.Cause} == {
        "Completed", "GPUOutOfMemory", "HostOutOfMemory", "GPUFault", "Other"
    }  # fmt: skip
