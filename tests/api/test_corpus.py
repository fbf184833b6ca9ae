"""Every LLMJob of the corpus gets the answer that the corpus states; tests/cluster asks a kube-apiserver the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmjob.api.reader import BadInput, read_llmjob, read_yaml

CORPUS = Path(__file__).parents[1] / "data" / "llmjobs"


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(CORPUS.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    ]


def manifest(case: dict[str, str]) -> str:
    head = "apiVersion: llmjob.dev/v1alpha1\nkind: LLMJob\nmetadata: {name: a}\n"
    return case.get("manifest") or f"{head}spec: {case['spec']}\n"


def test_the_corpus_holds_at_least_150_cases_of_both_kinds():
    found = [parameter.values[0] for parameter in cases()]
    invalid = [case for case in found if "invalid" in case or "unknown" in case]
    assert len(found) >= 150
    assert len(found) / 4 < len(invalid) < 3 * len(found) / 4
    assert len({parameter.id for parameter in cases()}) == len(found)


@pytest.mark.parametrize("case", cases())
def test_an_llmjob_is_read_or_refused_as_the_corpus_says(case):
    blamed, unknown = [], ()
    try:
        (document,) = read_yaml(manifest(case))
        unknown = read_llmjob(document).unknown_paths
    except BadInput as error:
        blamed = [found.path for found in error.errors]
    assert blamed == ([case["invalid"]] if "invalid" in case else [])
    assert unknown == ((case["unknown"],) if "unknown" in case else ())
