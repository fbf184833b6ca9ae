"""Does it start? Rows with a pool asked twice, just under and just over it, and every logged failure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from benchmarks.accuracy.case import Row
from benchmarks.accuracy.groups import Group
from benchmarks.accuracy.serving_cases import SERVING_READERS, ServingCase
from llmjob.estimator.estimate import estimate
from llmjob.estimator.interval import too_large
from llmjob.estimator.result import Estimate, Unknown

UNDER: Final = Fraction(97, 100)
OVER: Final = Fraction(103, 100)
_GROUPS: Final = (
    Group(name="vllm-starts-h100", file="vllm_h100.csv", reader="vllm-h100", measure="", present=["max_concurrency"]),
    Group(
        name="vllm-starts",
        file="inference.csv",
        reader="vllm",
        measure="",
        where={"engine": ["vLLM"], "quality": ["a", "b"]},
        present=["gpu_total_gib"],
    ),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A case, and whether it really started."""

    case: ServingCase
    starts: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """Balanced accuracy over what started and what did not; unknown counts half wrong."""

    name: str
    right: dict[bool, float]
    asked: dict[bool, int]
    wrongly_too_large: int

    @property
    def balanced(self) -> float:
        shares = [self.right[truth] / self.asked[truth] for truth in (True, False) if self.asked[truth]]
        return sum(shares) / len(shares) if shares else 0.0

    def line(self) -> str:
        started, failed = self.asked[True], self.asked[False]
        wrong = self.wrongly_too_large / started if started else 0.0
        return (
            f"{self.name}: balanced accuracy {100 * self.balanced:.2f} %"
            f" of {started} that start and {failed} that do not; wrongly TooLarge {100 * wrong:.2f} %"
        )


def all_answers() -> Iterator[Answers]:
    """Both groups."""
    for group in _GROUPS:
        yield judge(group.name, (question for row in group.rows() for question in questions(group.reader, row)))


def questions(reader: str, row: Row) -> Iterator[Question]:
    """A row's questions; none where its architecture is not at hand."""
    case = SERVING_READERS[reader](row)
    if case.model is None or case.gpu is None:
        return
    if row.get("started") == "no":
        yield Question(case, starts=False)
    elif row["max_concurrency"]:
        length = int(row.get("max_concurrency_tokens") or row["max_model_len"])
        tokens = Fraction(row["max_concurrency"]) * length
        concurrency = max(1, int(Fraction(row["max_concurrency"])))
        for share in (UNDER, OVER):
            asked = replace(case.task, concurrency=concurrency, max_model_len=int(share * tokens / concurrency))
            yield Question(replace(case, task=asked), starts=share is UNDER)


def judge(name: str, asked: Iterable[Question]) -> Answers:
    """Ask and count."""
    right, count = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    wrongly = 0
    for question in asked:
        assert question.case.model is not None
        count[question.starts] += 1
        answer = estimate(question.case.model, question.case.task, question.case.gpu)
        if isinstance(answer, Unknown):
            right[question.starts] += 0.5
            continue
        right[question.starts] += _starts(answer) is question.starts
        wrongly += question.starts and _too_large(answer)
    return Answers(name, right, count, wrongly)


def _starts(answer: Estimate) -> bool:
    """By the expected values."""
    budget = answer.budget
    if budget is None or budget.available is None:
        return True
    return budget.needed.expected <= (budget.available.lower + budget.available.upper) // 2


def _too_large(answer: Estimate) -> bool:
    budget = answer.budget
    return budget is not None and budget.available is not None and too_large(budget.needed, budget.available)
