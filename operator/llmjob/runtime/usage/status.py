"""Observed use as a status says it, and read back from there after a restart. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from llmjob.estimator.result import Estimate
from llmjob.names import Condition
from llmjob.observation.ledger import Account, State
from llmjob.observation.observed import Kind, Observed, Reading, compared, error_ratio, fills_the_card
from llmjob.quantity import format_quantity, gib, parse_quantity
from llmjob.runtime.judgement import Judgement, RoleJudgement

Json = dict[str, Any]
Told = tuple[str, str, str]

_LARGEST_PERCENT: Final = 10**6
_STATUSES: Final = {
    State.OBSERVED: "True",
    State.NOT_YET: "False",
    State.SHARED: "Unknown",
    State.NO_SAMPLES: "Unknown",
}
# Of several roles the first that holds speaks for the job.
_ORDER: Final = (State.NO_SAMPLES, State.SHARED, State.NOT_YET, State.OBSERVED)
_WORDS: Final = {
    State.NOT_YET: "no pod of it was seen on a GPU yet",
    State.SHARED: "its pods run on shared GPUs, where nobody can tell whose memory is in use",
    State.NO_SAMPLES: "its pods run, but Prometheus has no samples of their GPUs' memory, or gives no answer",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Observed use for a status: by role what is observed, the highest of the role that decides, and the condition.

    A condition that is None ends; where `conditions` has none, the last one stays.
    """

    observed: Mapping[str, Json] = field(default_factory=dict)
    used: str | None = None
    conditions: Mapping[Condition, Told | None] = field(default_factory=dict)


def usage_of(judgement: Judgement, accounts: Mapping[str, Account], *, asked: bool) -> Usage:
    """What to say of a judged job by its roles' accounts; no condition where nobody is asked for use."""
    observed = {
        role.name: _observed(role, accounts[role.name]) for role in judgement.roles if accounts[role.name].told.readings
    }
    used = _used(accounts[judgement.worst.name].told)
    if not asked:
        return Usage(observed, used, {Condition.USAGE_OBSERVED: None})
    condition = _condition(judgement, accounts)
    return Usage(observed, used, {} if condition is None else {Condition.USAGE_OBSERVED: condition})


def read_observed(role: Mapping[str, Any]) -> Observed | None:
    """What a role of a status says was observed; None where it says nothing, or something odd."""
    content: Any = role.get("observed")
    try:
        readings = {
            Kind(item["kind"]): Reading(
                parse_quantity(item["sampledMax"]), _read(item["lastSample"]), str(item["source"])
            )
            for item in content["kinds"]
        }
        return Observed(_read(content["since"]), int(content["pods"]), readings)
    except (KeyError, TypeError, ValueError):
        return None


def compared_kind(role: RoleJudgement, account: Account) -> Kind | None:
    """The kind that is held against the role's estimate."""
    fills = account.fills or fills_the_card(role.engine, role.verdict.estimate)
    return compared(account.told, fills=fills)


def _observed(role: RoleJudgement, account: Account) -> Json:
    told = account.told
    against = compared_kind(role, account)
    kinds = []
    for kind in Kind:
        reading = told.readings.get(kind)
        if reading is not None:
            percent = _percent(reading, role.verdict.estimate) if kind is against else None
            kinds.append(
                {
                    "kind": str(kind),
                    "sampledMax": format_quantity(reading.highest),
                    "source": reading.source,
                    **({} if percent is None else {"errorPercent": percent}),
                    "lastSample": _moment(reading.last),
                }
            )
    return {"pods": told.pods, "since": _moment(told.since), "kinds": kinds}


def _percent(reading: Reading, estimate: Estimate | None) -> int | None:
    ratio = error_ratio(reading.highest, estimate)
    return None if ratio is None else min(round(100 * ratio), _LARGEST_PERCENT)


def _used(observed: Observed) -> str | None:
    """The fullest GPU's use for people, with what is needed of it where that is known."""
    used, need = observed.readings.get(Kind.USED), observed.readings.get(Kind.NEED)
    if used is None:
        return None
    return f"{gib(used.highest)} GiB" + ("" if need is None else f" (needs {gib(need.highest)})")


def _condition(judgement: Judgement, accounts: Mapping[str, Account]) -> Told | None:
    found = [(role, accounts[role.name]) for role in judgement.roles]
    states = {account.state for _, account in found}
    if None in states:
        return None
    state = next(state for state in _ORDER if state in states)
    lines = [
        (f"role {role.name}: " if len(judgement.roles) > 1 else "") + _sentence(role, account, state)
        for role, account in found
        if account.state is state
    ]
    return _STATUSES[state], str(state), "; ".join(lines)


def _sentence(role: RoleJudgement, account: Account, state: State) -> str:
    if state is not State.OBSERVED:
        since = f" since {_moment(account.told.last)}" if account.told.readings else ""
        return _WORDS[state] + since
    kind = compared_kind(role, account)
    reading = account.told.readings.get(kind) if kind is not None else None
    percent = _percent(reading, role.verdict.estimate) if reading is not None else None
    error = "" if percent is None else f"; against the estimate {percent:+d} %"
    return f"at most {_used(account.told)} in use on the fullest GPU{error}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
