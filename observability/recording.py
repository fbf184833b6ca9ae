"""Recording rules: actual use joined to the jobs, and what is lost between GPUs and needs.

They name pods by `llmjob_pod_info` as it was within the last hour, so that use goes on while the operator is away.
"""

from dataclasses import dataclass, field
from typing import Final

from observability.engines import FILL_THE_CARD, pool_tokens, pool_usage
from observability.exporters import CLAIMED, claims
from observability.promql import HOUR, POD, ROLE, Clock, estimate, highest, remembered

POD_INFO: Final = "llmjob:pod_info:last"
POD_USED: Final = "llmjob:pod_gpu_memory_used_bytes"
POD_TOTAL: Final = "llmjob:pod_gpu_memory_total_bytes"
POD_NEEDED: Final = "llmjob:pod_gpu_memory_needed_bytes"
POOL_TOKENS: Final = "llmjob:pod_kv_cache_tokens"
POOL_USAGE: Final = "llmjob:pod_kv_cache_usage:max"
POOL_USED: Final = "llmjob:pod_pool_gpu_memory_used_bytes:max"
FILLS: Final = "llmjob:fills_gpu:group"
USED: Final = "llmjob:gpu_memory_used_bytes:max"
USED_SUM: Final = "llmjob:gpu_memory_used_bytes:sum"
USED_RATIO: Final = "llmjob:gpu_memory_used:ratio"
NEEDED: Final = "llmjob:gpu_memory_needed_bytes:max"
COMPARED: Final = "llmjob:gpu_memory_compared_bytes:max"
ERROR: Final = "llmjob:estimate_error:ratio"
STRANDED: Final = "llmjob:gpu_class_stranded_bytes:sum"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)


def records(clock: Clock) -> list[Record]:
    """All of them, each after those it reads."""
    exporters = [Record(CLAIMED, expr, {"kind": kind}) for kind, expr in claims()]
    return [*exporters, Record(POD_INFO, _pod_info(clock)), *_use(), *_need(clock), *_comparison(clock)]


def _pod_info(clock: Clock) -> str:
    """The job of each pod: as it is now, else as it was; of several exactly one, so that no join fails."""
    by = f"{POD}, llmjob, role, class"
    then = f"group by ({by}) (last_over_time(llmjob_pod_info[{clock.span(HOUR)}]))"
    return f"topk by ({POD}) (1, group by ({by}) (llmjob_pod_info) or on ({POD}) {then})"


def _use() -> list[Record]:
    """By GPU, then by role: the fullest GPU decides, the sum is what the job holds.

    Unknown, not 0: a GPU that several pods claim, a class that is shared, a card that reports no memory at all.
    """
    several = f'count by (gpu) ({CLAIMED}{{kind="used"}}) > 1'
    job = f'on ({POD}) group_left (llmjob, role, class) {POD_INFO}{{class!~".+-(shared|mps)"}}'

    def of_pods(kind: str) -> str:
        return f'sum without (kind) ({CLAIMED}{{kind="{kind}"}}) unless on (gpu) ({several})'

    used, total = of_pods("used"), of_pods("total")
    reported = f"(({used}) > 0 or ({used}) == 0 and on ({POD}, gpu) {POD_TOTAL})"
    return [
        Record(POD_TOTAL, f"(({total}) > 0) * {job}"),
        Record(POD_USED, f"{reported} * {job}"),
        Record(USED, f"max by ({ROLE}) ({POD_USED})"),
        Record(USED_SUM, f"sum by ({ROLE}) ({POD_USED})"),
        Record(USED_RATIO, f"max by ({ROLE}) ({POD_USED} / {POD_TOTAL})"),
    ]


def _need(clock: Clock) -> list[Record]:
    """Of an engine that fills the card: its use at ready less what of its pool was never used."""
    by_role = f"{POD}, llmjob, role"
    used = f"0 * {POOL_TOKENS} + on ({by_role}) group_left () max by ({by_role}) ({POD_USED})"
    usage = f"0 * {POOL_TOKENS} + on ({POD}) group_left () clamp({pool_usage()}, 0, 1)"
    per_token = remembered("llmjob_kv_cache_bytes_per_token", ROLE, clock)
    unused = f"{POOL_TOKENS} * on ({ROLE}) group_left () {per_token} * (1 - {POOL_USAGE})"
    named = remembered(f'llmjob_info{{engine=~"{FILL_THE_CARD}"}}', ROLE, clock)
    seen = f"group by ({ROLE}) ({POD_INFO} and on ({POD}) ({pool_usage()}))"
    return [
        Record(POOL_TOKENS, f"{pool_tokens()} * on ({POD}) group_left (llmjob, role) {POD_INFO}"),
        Record(POOL_USAGE, highest(usage, POOL_USAGE, clock)),
        Record(POOL_USED, highest(used, POOL_USED, clock)),
        Record(POD_NEEDED, f"max by ({by_role}) ({POOL_USED} - {unused}) > 0"),
        Record(NEEDED, f"max by ({ROLE}) ({POD_NEEDED})"),
        Record(FILLS, f"group by ({ROLE}) ({named} or {seen})"),
    ]


def _comparison(clock: Clock) -> list[Record]:
    """What is held against the prediction, and the memory that GPUs have beyond it."""
    expected = estimate("expected", clock)
    # The controller compares like with like, allocated with allocated; where it says nothing, process memory counts.
    said = f"max by ({ROLE}) (llmjob_estimate_error_ratio)"
    of_gpu = f"({POD_USED} * 0 + on ({POD}) group_left () max by ({POD}) ({POD_NEEDED})) or {POD_USED}"
    usable = remembered('llmjob_gpu_class_memory_bytes{kind="usable_lower"}', "class", clock)
    return [
        Record(COMPARED, f"{NEEDED} or ({USED} unless on ({ROLE}) {FILLS})"),
        Record(ERROR, f"{said} or ({COMPARED} - on ({ROLE}) {expected}) / on ({ROLE}) {expected}"),
        Record(STRANDED, f"{usable} * on (class) count by (class) ({POD_USED}) - on (class) sum by (class) ({of_gpu})"),
    ]
