"""Observed use as a status says it: of several roles, with and without samples, and read back."""

from dataclasses import replace

import pytest

from llmjob.names import Condition
from llmjob.observation.ledger import Account, State
from llmjob.observation.observed import Kind, Observed, Reading
from llmjob.runtime.judgement import Judgement
from llmjob.runtime.usage.status import read_observed, usage_of

GIB = 2**30
MOMENT = 1_770_000_000.0


def account(state=State.OBSERVED, *, fills=False, **highest):
    readings = {Kind(kind): Reading(value, MOMENT + 60, "DCGM") for kind, value in highest.items()}
    observed = Observed(MOMENT, 2, readings)
    return Account("h", observed, observed, state, fills)


@pytest.fixture
def judgement(made):
    return made.judged(made.job(), made.world())


@pytest.fixture
def two(judgement):
    """The same role twice, under two names."""
    [role] = judgement.roles
    other = replace(role, request=replace(role.request, role="other"))
    return Judgement(namespace="team", name="job", roles=(role, other))


def condition(judgement, **accounts):
    return usage_of(judgement, accounts, asked=True).conditions.get(Condition.USAGE_OBSERVED)


def test_a_status_is_read_back_as_it_was_told(judgement):
    told = account(used=20 * GIB, need=15 * GIB).told
    role = {
        "observed": usage_of(judgement, {"main": account(used=20 * GIB, need=15 * GIB)}, asked=True).observed["main"]
    }
    assert read_observed(role) == told


DAY = "2026-02-02"


@pytest.mark.parametrize(
    "odd",
    [
        None, {}, {"kinds": []}, {"kinds": [{}], "since": "2026-02-02T02:40:00Z", "pods": 1},
        {"kinds": [], "since": "yesterday", "pods": 1}, {"kinds": [], "since": "2026-02-02T02:40:00Z", "pods": "many"},
        {"kinds": [{"kind": "used", "sampledMax": "1Gi", "source": "x", "lastSample": 5}], "since": DAY, "pods": 1},
        {"kinds": [{"kind": "guess", "sampledMax": "1Gi", "source": "x", "lastSample": DAY}], "since": DAY, "pods": 1},
    ],
)  # fmt: skip
def test_an_odd_status_is_read_as_nothing(odd):
    assert read_observed({"observed": odd}) is None


def test_the_use_for_people_names_the_need_where_it_is_known(judgement):
    assert usage_of(judgement, {"main": account(used=20 * GIB)}, asked=True).used == "20.0 GiB"
    both = usage_of(judgement, {"main": account(used=20 * GIB, need=15 * GIB)}, asked=True)
    assert both.used == "20.0 GiB (needs 15.0)"
    assert usage_of(judgement, {"main": account(State.NOT_YET)}, asked=True).used is None


def test_of_several_roles_the_one_without_samples_speaks_by_its_name(two):
    seen, silent = account(used=20 * GIB), account(State.NO_SAMPLES, used=20 * GIB)
    state, reason, message = condition(two, main=seen, other=silent)
    assert (state, reason) == ("Unknown", "NoSamples")
    assert message == (
        "role other: its pods run, but Prometheus has no samples of their GPUs' memory, or gives no answer"
        " since 2026-02-02T02:41:00Z"
    )
    state, _, message = condition(two, main=seen, other=account(used=5 * GIB))
    assert state == "True"
    assert message.startswith("role main: at most 20.0 GiB in use on the fullest GPU")
    assert "; role other: at most 5.0 GiB" in message


def test_while_nobody_has_looked_at_a_role_the_condition_stays_as_it_was(two):
    assert condition(two, main=account(used=GIB), other=account(None, used=GIB)) is None


@pytest.mark.parametrize(
    ("state", "said"), [(State.NOT_YET, "no pod of it was seen on a GPU yet"), (State.SHARED, "shared GPUs")]
)
def test_without_any_sample_the_condition_says_why(judgement, state, said):
    assert said in condition(judgement, main=account(state))[2]


def test_where_nobody_is_asked_the_condition_ends(judgement):
    usage = usage_of(judgement, {"main": account(used=GIB)}, asked=False)
    assert usage.conditions == {Condition.USAGE_OBSERVED: None}
    assert usage.observed["main"]["kinds"][0]["sampledMax"] == "1Gi"


def test_an_engine_that_was_seen_filling_the_card_is_compared_by_its_need(judgement):
    kinds = usage_of(judgement, {"main": account(fills=True, used=20 * GIB, need=15 * GIB)}, asked=True).observed
    errors = {item["kind"]: item.get("errorPercent") for item in kinds["main"]["kinds"]}
    assert errors == {"used": None, "need": round(100 * (15 * GIB - 18_800_000_000) / 18_800_000_000)}


def test_an_error_beyond_all_bounds_is_what_the_api_takes(judgement):
    kinds = usage_of(judgement, {"main": account(used=2**60)}, asked=True).observed["main"]["kinds"]
    assert kinds[0]["errorPercent"] == 10**6
