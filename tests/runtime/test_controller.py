"""The controller against a cluster that fails, and one that answers."""

import copy
from typing import Any

import pytest

from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.controller import Controller


class Cluster:
    """Takes patches as the API server does; fails as often as told."""

    def __init__(self, world: Any) -> None:
        self.world, self.failures = world, 0
        self.patches: list[Any] = []
        self.events: list[Any] = []
        self.gone = False

    async def patch_status(self, namespace: str, name: str, patch: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise ClusterError("no answer")
        self.patches.append((namespace, name, patch))
        if self.gone:
            return None
        stored = copy.deepcopy(dict(self.world.jobs.find(namespace, name).content))
        stored["status"] = {**stored.get("status", {}), **patch["status"]}
        return stored

    async def post_event(self, namespace: str, event: Any) -> None:
        self.events.append((namespace, event))


@pytest.fixture
def rig(made):
    world = made.world(jobs=(made.job(),))
    cluster = Cluster(world)
    return world, cluster, Controller(world, cluster, now=lambda: "2026-01-01T00:00:00Z")


async def test_a_job_gets_its_status_once_and_no_second_patch_while_nothing_changes(rig):
    _, cluster, controller = rig
    assert await controller.work_off() == []
    controller.resync()
    await controller.work_off()
    controller.job_changed(("team", "job"))
    await controller.work_off()
    assert len(cluster.patches) == 1


async def test_a_write_that_failed_is_repeated(rig):
    _, cluster, controller = rig
    cluster.failures = 1
    assert await controller.work_off() == [("team", "job")]
    controller.job_changed(("team", "job"))
    assert await controller.work_off() == []
    assert len(cluster.patches) == 1


async def test_another_set_of_gpus_looks_at_every_job(rig, made):
    world, cluster, controller = rig
    await controller.work_off()
    world.nodes.replace(world.nodes.read([made.node("small", made.t4)]))
    await controller.work_off()
    assert len(cluster.patches) == 2
    assert [event["reason"] for _, event in cluster.events] == ["Fits", "Tight"]


async def test_other_settings_look_at_every_job(rig, made):
    world, cluster, controller = rig
    world.nodes.replace(world.nodes.read([made.node("small", made.t4)]))
    world.jobs.apply(None, made.job(parameters="13B"))
    await controller.work_off()
    world.settings = type(world.settings)()
    await controller.work_off()
    assert [event["reason"] for _, event in cluster.events] == ["InsufficientGPUMemory", "IncompleteInventory"]


async def test_an_event_names_the_job_and_says_the_verdict_only_when_it_changed(rig, made):
    world, cluster, controller = rig
    await controller.work_off()
    world.jobs.apply(
        None, {**made.job(parameters="8B", generation=2), "status": world.jobs.find("team", "job").content["status"]}
    )
    controller.job_changed(("team", "job"))
    await controller.work_off()
    assert len(cluster.patches) == 2
    [(namespace, event)] = cluster.events
    assert namespace == "team"
    assert (event["involvedObject"]["name"], event["involvedObject"]["uid"]) == ("job", "uid-job")
    assert (event["type"], event["reason"]) == ("Normal", "Fits")


async def test_a_deleted_job_leaves_the_judgements_and_gets_no_patch(rig, made):
    world, cluster, controller = rig
    await controller.work_off()
    assert [found.name for found in controller.judgements()] == ["job"]
    controller.job_changed(world.jobs.apply("DELETED", made.job()))
    assert list(controller.judgements()) == []
    await controller.work_off()
    assert len(cluster.patches) == 1


async def test_a_job_deleted_while_it_was_judged_is_no_error(rig):
    _, cluster, controller = rig
    cluster.gone = True
    assert await controller.work_off() == []
    assert cluster.events == []


async def test_a_job_that_is_being_deleted_is_left_alone(rig, made):
    world, cluster, controller = rig
    job = made.job()
    job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.jobs.apply("MODIFIED", job)
    await controller.work_off()
    assert cluster.patches == []


async def test_a_bug_with_one_job_does_not_keep_the_others_from_their_status(rig, made, monkeypatch):
    world, cluster, controller = rig
    world.jobs.apply(None, made.job("other"))
    from llmjob.runtime import world as module

    real = module.decide

    def decide(request: Any, *rest: Any) -> Any:
        if request.name == "job":
            raise RuntimeError("bug")
        return real(request, *rest)

    monkeypatch.setattr(module, "decide", decide)
    await controller.work_off()
    assert [name for _, name, _ in cluster.patches] == ["other"]
