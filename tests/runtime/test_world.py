from llmjob.decision.policy import Policy
from llmjob.runtime import world as module
from llmjob.workloads.llmjob import requests_from_llmjob


async def test_a_question_asked_again_on_the_same_fleet_is_not_decided_anew(made, monkeypatch):
    world = made.world(jobs=(made.job(),))
    [request] = requests_from_llmjob(world.jobs.find("team", "job").job)
    calls = []
    real = module.decide
    monkeypatch.setattr(module, "decide", lambda *asked: calls.append(1) or real(*asked))
    first = await world.decide(request, Policy())
    assert await world.decide(request, Policy()) is first
    assert len(calls) == 1
    await world.decide(request, Policy(inventory_complete=True))
    assert len(calls) == 2
    world.nodes.replace(world.nodes.read([made.node("a", made.t4)]))
    assert (await world.decide(request, Policy())).reason != first.reason


def test_until_both_views_are_listed_everything_is_stale(made):
    from llmjob.runtime.views import JobView

    world = made.world()
    assert not world.stale
    world.jobs = JobView()
    assert world.stale
