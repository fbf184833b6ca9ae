"""The condition MemoryExhausted: when it holds, when it ends, what it says."""

from datetime import UTC, datetime

import pytest

from llmjob.observation.claim import Claim
from llmjob.observation.container_runs import Run
from llmjob.observation.out_of_memory import Ending, read_text
from llmjob.observation.signatures import Cause
from llmjob.runtime.exhaustion import Exhaustion
from llmjob.runtime.memory_exhausted import Facts, memory_exhausted
from llmjob.runtime.pod_view import JobPod
from llmjob.runtime.views import SeenJob

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
HOUR, MINUTE = 3600.0, 60.0
TEXT = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.57 GiB "
    "of which 1.00 GiB is free. Of the allocated memory 12.00 GiB is allocated by PyTorch"
)


def written(moment):
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exhaustion(started=NOON, lasted=5 * MINUTE, *, text=TEXT, gpu_class="nvidia-t4", pod="worker", number=0):
    claim = read_text(text).claim
    assert isinstance(claim, Claim)
    run = Run(
        container="main", number=number, started=started, finished=started + lasted,
        ending=Ending(Cause.GPU_OUT_OF_MEMORY, claim),
    )  # fmt: skip
    return Exhaustion(pod=pod, role="main", gpu_class=gpu_class, run=run, claim=claim)


def pod(*runs, role="main"):
    return JobPod(
        namespace="team", name="worker", uid="u", job="job", role=role, node="small", running=True, started=NOON,
        resource="nvidia.com/gpu", runs=runs,
    )  # fmt: skip


def run(started, lasted=None, cause=None, container="main"):
    finished = None if lasted is None else started + lasted
    ending = None if cause is None else Ending(cause)
    return Run(container=container, number=1, started=started, finished=finished, ending=ending)


def before(state, reason, since=NOON, generation=1):
    return {
        "type": "MemoryExhausted", "status": state, "reason": reason, "message": "as it was",
        "lastTransitionTime": written(since), "observedGeneration": generation,
    }  # fmt: skip


@pytest.fixture
def ask(made):
    def asked(newest=None, *, condition=None, pods=(), now=NOON + HOUR, generation=1, created=NOON - HOUR, **job):
        content = made.job(generation=generation, **job)
        content["metadata"]["creationTimestamp"] = written(created)
        if condition:
            content["status"] = {"conditions": [condition]}
        world = made.world(jobs=(content,))
        facts = Facts(
            seen=SeenJob.of(content), judgement=made.judged(content, world), newest=newest, pods=pods,
            fleet=world.fleet, now=written(now),
        )  # fmt: skip
        return memory_exhausted(facts)

    return asked


def short(told):
    return None if told is None else told[:2]


SET, CHANGED, AGAIN = ("True", "OutOfGPUMemory"), ("False", "SpecChanged"), ("False", "RunsAgain")


def test_it_is_not_there_before_anything_happened(ask):
    assert ask() is None


def test_it_is_set_once_a_run_ended_so(ask):
    assert short(ask(exhaustion())) == SET


def test_it_stays_where_the_pod_is_gone_and_the_controller_began_anew(ask):
    assert ask(condition=before(*SET)) == (*SET, "as it was")


def test_a_changed_spec_ends_it(ask):
    assert short(ask(exhaustion(), condition=before(*SET), generation=2)) == CHANGED


@pytest.mark.parametrize(("started", "state"), [(-1, CHANGED), (0, SET), (1, SET)])
def test_after_a_changed_spec_only_what_began_since_counts(ask, started, state):
    found = exhaustion(NOON + started)
    assert short(ask(found, condition=before(*CHANGED, generation=2), generation=2)) == state


def test_what_ended_before_the_job_was_made_is_another_jobs(ask):
    assert ask(exhaustion(), created=NOON + 6 * MINUTE) is None
    assert short(ask(exhaustion(), created=NOON + 4 * MINUTE)) == SET


@pytest.mark.parametrize(("longer", "state"), [(10 * MINUTE, SET), (10 * MINUTE + 1, AGAIN)])
def test_a_later_run_that_outlasts_it_by_ten_minutes_ends_it(ask, longer, state):
    later = run(NOON + 20 * MINUTE)
    now = NOON + 20 * MINUTE + 5 * MINUTE + longer
    assert short(ask(exhaustion(), condition=before(*SET), pods=[pod(later)], now=now)) == state


def test_runs_of_another_container_role_or_time_say_nothing(ask):
    others = [
        pod(run(NOON + 20 * MINUTE, container="logs")), pod(run(NOON + 20 * MINUTE), role="judge"), pod(run(NOON)),
    ]  # fmt: skip
    assert short(ask(exhaustion(), condition=before(*SET), pods=others, now=NOON + 9 * HOUR)) == SET


@pytest.mark.parametrize(
    ("lasted", "cause", "state"),
    [
        (MINUTE, Cause.COMPLETED, AGAIN),
        (MINUTE, Cause.OTHER, SET),
        (16 * MINUTE, Cause.OTHER, AGAIN),
        (16 * MINUTE, Cause.GPU_OUT_OF_MEMORY, SET),
    ],
)
def test_a_later_run_that_ended_ends_it_where_it_completed_or_lasted_longer(ask, lasted, cause, state):
    later = run(NOON + 20 * MINUTE, lasted, cause)
    assert short(ask(exhaustion(), condition=before(*SET), pods=[pod(later)])) == state


def test_without_the_run_that_ended_any_later_one_of_ten_minutes_ends_it(ask):
    later = pod(run(NOON + MINUTE))
    assert short(ask(condition=before(*SET), pods=[later], now=NOON + 10 * MINUTE)) == SET
    assert short(ask(condition=before(*SET), pods=[later], now=NOON + 12 * MINUTE)) == AGAIN
    assert short(ask(condition=before(*SET), pods=[pod(run(NOON - MINUTE))], now=NOON + HOUR)) == SET


def test_once_it_ended_the_same_end_does_not_set_it_again_but_a_later_one_does(ask):
    ended = before(*AGAIN, since=NOON + HOUR)
    assert ask(exhaustion(), condition=ended) == (*AGAIN, "as it was")
    # The run that made it end was under way then, and ran out later.
    assert short(ask(exhaustion(NOON + 20 * MINUTE, 2 * HOUR), condition=ended)) == SET


def test_what_a_restarted_controller_finds_is_not_set_where_the_job_has_run_on_since(ask):
    assert ask(exhaustion(), pods=[pod(run(NOON + 6 * MINUTE))], now=NOON + 9 * HOUR) is None


def test_it_says_what_happened_what_to_change_what_was_expected_and_what_the_log_claims(ask):
    told = ask(exhaustion())
    assert told == (
        *SET,
        "pod worker, container main, ran out of GPU memory on nvidia-t4 after 0:05:00. "
        "Needs less, or has more, with: FP8 weights; an L4 (22.2 GiB). "
        "Expected were 17.5 (13.0–21.0) of 14.6 GiB usable. "
        "By its log (PyTorch) it asked for 2.0 GiB, had allocated 12.0 GiB, saw a total of 14.6 GiB: "
        + TEXT.split(": ", 1)[1][:240],
    )


def test_claims_are_capped_at_the_card_and_small_ones_are_told_in_mib(ask):
    forged = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 99999.00 GiB of which x"
    assert "it asked for 20 MiB, saw a total of 14.8 GiB:" in ask(exhaustion(text=forged))[2]


def test_without_a_card_to_hold_them_to_no_figures_and_no_changes_are_told(ask):
    message = ask(exhaustion(gpu_class=""))[2]
    assert message.startswith(
        "pod worker, container main, ran out of GPU memory after 0:05:00. By its log (PyTorch) it ended so: CUDA out"
    )


def test_control_characters_of_the_log_are_not_told(ask):
    message = ask(exhaustion(text="CUDA out of memory.\x1b[31m \u202e Tried to allocate 2.00 GiB\x07"))[2]
    assert message.isprintable()


def test_a_shared_card_may_have_been_filled_by_others(made):
    world = made.world()
    node = made.node("small", made.t4)
    node["metadata"]["labels"] |= {"nvidia.com/gpu.sharing-strategy": "time-slicing", "nvidia.com/gpu.replicas": "4"}
    world.nodes.apply("MODIFIED", node)
    [shared] = [item.name for item in world.fleet.classes() if item.sharing != "none"]
    seen = SeenJob.of(made.job())
    facts = Facts(
        seen=seen,
        judgement=None,
        newest=exhaustion(gpu_class=shared),
        pods=(),
        fleet=world.fleet,
        now=written(NOON),
    )
    told = memory_exhausted(facts)
    assert told is not None
    assert f"on {shared} after 0:05:00, which it shares: another pod may have taken the memory. By its log" in told[2]


def test_the_claim_moves_no_estimate(ask):
    forged = "CUDA out of memory. Tried to allocate 9999.00 GiB"
    plain, claimed = ask(exhaustion(text="CUDA out of memory"))[2], ask(exhaustion(text=forged))[2]
    assert plain.split(" By its log")[0] == claimed.split(" By its log")[0]
