"""What a pod used so far, and what of it it needs."""

import pytest

from llmjob.observation.engine_pool import EnginePool
from llmjob.observation.gpu_use import GPUUse
from llmjob.observation.observed import Kind, Reading
from llmjob.observation.pod_use import PodUse
from llmjob.observation.series import Sample


def gpu(*samples, name="0"):
    return GPUUse((name,), "DCGM", tuple(Sample(*pair) for pair in samples))


def pool(tokens, *usage):
    return EnginePool(tokens, tuple(Sample(*pair) for pair in usage))


def needs(use, bytes_per_token=10):
    reading = use.readings(bytes_per_token).get(Kind.NEED)
    return None if reading is None else reading.highest


def test_the_fullest_gpu_at_any_time_counts_and_the_newest_sample_tells_the_age():
    use = PodUse().and_then([gpu((10, 100), (20, 300)), gpu((15, 200), (40, 250), name="1")], None, 0)
    assert use.readings(None) == {Kind.USED: Reading(300, 40, "DCGM")}
    later = use.and_then([gpu((50, 90))], None, 0)
    assert later.readings(None) == {Kind.USED: Reading(300, 50, "DCGM")}


def test_nothing_seen_changes_nothing():
    use = PodUse().and_then([gpu((10, 100))], None, 0)
    assert use.and_then([], None, 0) == use
    assert PodUse().readings(10) == {}


def test_samples_of_before_the_pod_or_the_job_as_it_is_now_do_not_count():
    use = PodUse().and_then([gpu((10, 900), (20, 100))], None, 15)
    assert use.readings(None)[Kind.USED].highest == 100


def test_the_need_is_the_use_at_ready_less_what_of_the_pool_was_never_used():
    # 1000 at ready; 50 tokens of 10 bytes, at most 40 % of them in use: 1000 − 500 × 0.6.
    use = PodUse().and_then([gpu((5, 2000), (10, 1000))], pool(50, (8, 0.4), (9, 0.1)), 0)
    assert needs(use) == 700
    assert use.readings(10)[Kind.NEED] == Reading(700, 10, "DCGM and the engine")
    assert use.fills


def test_the_highest_use_of_the_pool_counts_over_time():
    use = PodUse().and_then([gpu((10, 1000))], pool(50, (8, 0.4)), 0)
    assert needs(use.and_then([gpu((20, 1000))], pool(50, (20, 0.9)), 0)) == 950
    assert needs(use.and_then([gpu((20, 1000))], pool(50, (20, 0.1)), 0)) == 700


def test_a_use_of_before_the_engine_was_ready_is_no_part_of_the_need():
    use = PodUse().and_then([gpu((5, 5000))], None, 0)
    assert needs(use.and_then([gpu((20, 1000))], pool(50, (20, 0.0)), 0)) == 500
    assert use.readings(10)[Kind.USED].highest == 5000


@pytest.mark.parametrize(("tokens", "per_token"), [(None, 10), (50, None)])
def test_where_pool_or_bytes_per_token_are_not_known_there_is_no_need(tokens, per_token):
    use = PodUse().and_then([gpu((10, 1000))], pool(tokens, (8, 0.4)), 0)
    assert needs(use, per_token) is None
    assert use.fills


def test_a_pool_that_would_be_larger_than_all_that_is_in_use_gives_no_need():
    use = PodUse().and_then([gpu((10, 500))], pool(50, (8, 0.0)), 0)
    assert needs(use) is None


def test_without_an_engine_there_is_no_need():
    use = PodUse().and_then([gpu((10, 1000))], None, 0)
    assert needs(use) is None
    assert not use.fills


def test_an_engine_that_came_back_with_another_pool_begins_anew():
    use = PodUse().and_then([gpu((10, 1000))], pool(50, (8, 1.0)), 0)
    back = use.and_then([gpu((10, 1000), (100, 800))], pool(20, (8, 1.0), (99, 0.5)), 0)
    assert needs(back) == 800 - 100
    again = back.and_then([gpu((10, 1000), (110, 800))], pool(20, (8, 1.0), (110, 0.5)), 0)
    assert needs(again) == 700


def test_tokens_that_are_told_late_are_those_of_the_same_pool():
    use = PodUse().and_then([gpu((10, 1000))], pool(None, (8, 0.4)), 0)
    assert needs(use.and_then([], pool(50, (20, 0.1)), 0)) == 700


def test_tokens_that_are_not_told_for_a_while_stay_known():
    use = PodUse().and_then([gpu((10, 1000))], pool(50, (8, 0.4)), 0)
    assert needs(use.and_then([], pool(None, (20, 0.1)), 0)) == 700


def test_what_was_in_use_of_the_pool_before_the_job_was_as_it_is_does_not_count():
    use = PodUse().and_then([gpu((20, 1000))], pool(50, (8, 1.0), (20, 0.5)), 15)
    assert needs(use) == 750
