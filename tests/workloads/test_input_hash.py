"""The input hash: equal for equal inputs, in every process; different for different ones."""

import subprocess
import sys
from fractions import Fraction
from hashlib import sha256

import pytest

from llmjob.estimator.task import FineTuning, Inference
from llmjob.fleet.scheduling import Scheduling
from llmjob.names import Level
from llmjob.workloads.input_hash import hash_of


def test_the_canonical_form_is_the_documented_one():
    text = (
        '[{"concurrency":2,"gpu_memory_utilization":"9/10","parallelism":{"context":1,"data":1,"decode_context":1,'
        '"expert":1,"pipeline":1,"tensor":1,"type":"Parallelism"},"type":"Inference"},"warn"]'
    )
    task = Inference(concurrency=2, gpu_memory_utilization=Fraction(9, 10))
    assert hash_of(task, Level.WARN) == sha256(text.encode()).hexdigest()[:32]


def test_the_order_of_keys_does_not_matter():
    one = Scheduling(node_selector={"a": "1", "b": "2"})
    other = Scheduling(node_selector={"b": "2", "a": "1"})
    assert hash_of(one) == hash_of(other)
    assert hash_of(frozenset({"x", "y", "z"})) == hash_of(frozenset({"z", "y", "x"}))


def test_an_empty_field_counts_as_an_absent_one():
    assert hash_of(Scheduling(node_selector={})) == hash_of(Scheduling(tolerations=()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Inference(), FineTuning()),
        (Inference(concurrency=1), Inference(concurrency=2)),
        (Inference(), Inference(engine_args=("--enforce-eager",))),
        (FineTuning(packing=False), FineTuning()),
        (FineTuning(packing=False), FineTuning(packing=True)),
        (Scheduling(ignore_taints=True), Scheduling()),
        (Scheduling(node_selector={"a": ""}), Scheduling()),
        (("a", "b"), ("b", "a")),
        (("ab",), ("a", "b")),
        ({"a": 1}, {"a": "1"}),
    ],
)
def test_different_inputs_hash_differently(one, other):
    assert hash_of(one) != hash_of(other)


def test_another_process_gives_the_same_hash():
    code = "from llmjob.workloads.input_hash import hash_of; print(hash_of(frozenset('abcdef'), {'x': [1, None]}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": "operator", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {hash_of(frozenset("abcdef"), {"x": [1, None]}) + "\n"}


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(TypeError, match="object"):
        hash_of(object())
