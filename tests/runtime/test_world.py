"""Verdicts given once on each fleet, in threads; jobs looked up with bounds."""

import asyncio
import threading

import pytest

from llmjob.decision.policy import Policy
from llmjob.runtime import world as module
from llmjob.runtime.views import JobView
from llmjob.runtime.world import Missing
from llmjob.workloads.llmjob import requests_from_llmjob


@pytest.fixture
def calls(monkeypatch):
    """Every decision that was really made."""
    made = []
    real = module.decide
    monkeypatch.setattr(module, "decide", lambda request, *rest: made.append(request.name) or real(request, *rest))
    return made


def request_of(world, name="job"):
    [request] = requests_from_llmjob(world.jobs.find("team", name).job)
    return request


async def test_a_question_asked_again_on_the_same_fleet_is_not_decided_anew(made, calls):
    world = made.world(jobs=(made.job(),))
    request = request_of(world)
    first = await world.decide(request, Policy())
    assert await world.decide(request, Policy()) is first
    assert len(calls) == 1
    await world.decide(request, Policy(inventory_complete=True))
    assert len(calls) == 2
    world.nodes.replace(world.nodes.read([made.node("a", made.t4)]))
    assert (await world.decide(request, Policy())).reason != first.reason


async def test_no_more_verdicts_are_remembered_than_the_bound(made, calls, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    world = made.world(jobs=tuple(made.job(name) for name in "abc"))
    for name in "abca":
        await world.decide(request_of(world, name), Policy())
    assert calls == ["a", "b", "c", "a"]


async def test_many_who_ask_the_same_at_once_get_one_decision(made, calls):
    world = made.world(jobs=(made.job(),))
    found = await asyncio.gather(*(world.decide(request_of(world), Policy()) for _ in range(9)))
    assert len(calls) == 1
    assert all(verdict is found[0] for verdict in found)


class Gate:
    """A decision that takes until it is let go."""

    def __init__(self, monkeypatch):
        self.entered, self.open = threading.Event(), threading.Event()
        real = module.decide

        def decide(*asked):
            self.entered.set()
            assert self.open.wait(5)
            return real(*asked)

        monkeypatch.setattr(module, "decide", decide)


async def test_the_loop_is_free_while_a_verdict_is_made(made, monkeypatch):
    gate = Gate(monkeypatch)
    world = made.world(jobs=(made.job(),))
    deciding = asyncio.ensure_future(world.decide(request_of(world), Policy()))
    await asyncio.to_thread(gate.entered.wait, 5)
    await asyncio.sleep(0.01)
    assert not deciding.done()
    gate.open.set()
    assert (await deciding).reason == "Fits"


async def test_a_verdict_that_was_under_way_when_the_fleet_changed_is_not_kept_for_the_new_one(made, monkeypatch):
    gate = Gate(monkeypatch)
    world = made.world(jobs=(made.job(),))
    deciding = asyncio.ensure_future(world.decide(request_of(world), Policy()))
    await asyncio.to_thread(gate.entered.wait, 5)
    world.nodes.replace(world.nodes.read([made.node("a", made.t4)]))
    late = asyncio.ensure_future(world.decide(request_of(world), Policy()))
    await asyncio.sleep(0)
    gate.open.set()
    assert (await deciding).reason == "Fits"
    assert (await late).reason == "Tight"
    assert (await world.decide(request_of(world), Policy())).reason == "Tight"


def test_until_both_views_are_listed_everything_is_stale(made):
    world = made.world()
    assert not world.stale
    world.jobs = JobView()
    assert world.stale


async def test_a_job_that_the_view_cannot_read_is_read_again(made):
    store = made.store_class()
    world = made.world(jobs=(made.job(fineTuning={}),), store=store)
    store.jobs["team", "job"] = made.job()
    assert (await world.job("team", "job")).metadata.name == "job"
    store.jobs["team", "job"] = made.job(fineTuning={})
    assert await world.job("team", "job") is Missing.NO_ANSWER


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("team", "../../team-b/llmjobs/secret"), ("team", "x" * 64), ("team", "Job"), ("..", "job"), ("a/b", "job")],
)
async def test_what_can_be_no_jobs_name_is_not_asked_for(made, namespace, name):
    store = made.store_class()
    world = made.world(store=store)
    assert await world.job(namespace, name) is Missing.NOT_FOUND
    assert store.asked == 0
