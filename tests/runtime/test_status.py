from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmjob.names import Condition
from llmjob.runtime.status import condition_of, merge_patch, status_of
from llmjob.runtime.views import SeenJob

_VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from("abcd"), _VALUES, max_size=4)
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, as its pseudocode has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(_OBJECTS, _OBJECTS)
def test_a_merge_patch_makes_the_wanted_status_of_any_other(current, wanted):
    assert merged(current, merge_patch(current, wanted)) == wanted


@given(_OBJECTS)
def test_nothing_is_patched_where_nothing_differs(current):
    assert merge_patch(current, current) == {}


def status(made, job, now=EARLY, *nodes):
    seen = SeenJob.of(job)
    return status_of(seen, made.judged(job, made.world(*nodes)), now)


def test_a_condition_keeps_its_time_while_its_status_stays(made):
    first = status(made, made.job())
    again = status(made, {**made.job(parameters="8B", generation=2), "status": first}, LATE)
    fits = condition_of(again, Condition.FITS)
    assert (fits["lastTransitionTime"], fits["observedGeneration"]) == (EARLY, 2)
    worse = status(made, {**made.job(parameters="900B", generation=3), "status": again}, LATE)
    fits = condition_of(worse, Condition.FITS)
    assert (fits["status"], fits["lastTransitionTime"]) == ("False", LATE)


def test_conditions_of_others_are_kept(made):
    other = {"type": "SeenByOthers", "status": "True", "reason": "Seen", "message": "", "lastTransitionTime": EARLY}
    found = status(made, {**made.job(), "status": {"conditions": [other]}})
    assert other in found["conditions"]


def test_the_same_input_gives_the_same_status(made):
    assert status(made, made.job()) == status(made, made.job())


def test_the_components_expected_values_sum_to_the_need_on_the_reference_class(made):
    role = status(made, made.job())["roles"][0]
    expected = {"13671875Ki": 14_000_000_000, "1400000000": 1_400_000_000, "1953125Ki": 2_000_000_000}
    assert sum(expected[part["expected"]] for part in role["components"]) == 18_800_000_000
    chosen = next(found for found in role["classes"] if found["name"] == role["referenceClass"])
    assert chosen["expected"] == "18359375Ki"


def test_a_job_that_cannot_be_read_says_so(made):
    broken = made.job(fineTuning={})
    found = status_of(SeenJob.of(broken), None, EARLY)
    estimated = condition_of(found, Condition.ESTIMATED)
    assert (estimated["status"], estimated["reason"]) == ("False", "BadInput")
    assert "exactly one" in estimated["message"]
    assert (found["roles"], found["summary"]) == ([], {"reason": "BadInput"})


def test_excluded_classes_are_those_that_steering_keeps_away_from(made):
    role = status(made, made.job(parameters="25B"))["roles"][0]
    assert sorted(role["excludedClasses"]) == ["nvidia-l4", "nvidia-t4"]


def test_a_condition_of_which_there_is_nothing_new_to_say_stays_where_it_was(made):
    seen = SeenJob.of(made.job())
    told = {
        Condition.USAGE_OBSERVED: ("True", "Observed", "x"),
        Condition.MEMORY_EXHAUSTED: ("False", "RunsAgain", "y"),
    }
    first = status_of(seen, made.judged(made.job(), made.world()), EARLY, told)
    job = {**made.job(), "status": first}
    more = {Condition.MEMORY_EXHAUSTED: ("False", "RunsAgain", "y")}
    assert status_of(SeenJob.of(job), made.judged(job, made.world()), LATE, more) == first
