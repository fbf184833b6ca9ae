"""The controller against a cluster that fails, and one that answers."""

import asyncio
import copy
import re
from typing import Any

import pytest

from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.controller import Controller
from llmjob.runtime.pod_view import PodView


def key_of(path: str) -> tuple[str, str]:
    """Namespace and name of the LLMJob whose status a path is."""
    return re.fullmatch(r"/apis/llmjob.dev/v1alpha1/namespaces/([^/]+)/llmjobs/([^/]+)/status", path).groups()


class Cluster:
    """Takes patches as the API server does; fails as often as told."""

    def __init__(self, world: Any) -> None:
        self.world, self.failures = world, 0
        self.status: int | None = None
        self.patches: list[Any] = []
        self.events: list[Any] = []
        self.gone = False
        self.meanwhile: Any = None

    async def merge(self, path: str, patch: Any) -> Any:
        namespace, name = key_of(path)
        if self.failures:
            self.failures -= 1
            raise ClusterError("no answer", self.status)
        self.patches.append((namespace, name, patch))
        if self.gone:
            raise ClusterError("gone", 404)
        stored = copy.deepcopy(dict(self.world.jobs.find(namespace, name).content))
        stored["status"] = {**stored.get("status", {}), **patch["status"]}
        if self.meanwhile is not None:
            self.meanwhile()
        return stored

    async def create(self, path: str, content: Any) -> None:
        (namespace,) = re.fullmatch(r"/api/v1/namespaces/([^/]+)/events", path).groups()
        self.events.append((namespace, content))


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


async def test_a_write_that_was_refused_for_what_it_says_is_left_until_something_changes(rig):
    _, cluster, controller = rig
    cluster.failures, cluster.status = 1, 422
    assert await controller.work_off() == []
    controller.job_changed(("team", "job"))
    await controller.work_off()
    assert len(cluster.patches) == 1


async def test_a_write_that_failed_keeps_nobody_else_waiting(rig, made, monkeypatch):
    world, cluster, controller = rig
    monkeypatch.setattr("llmjob.runtime.controller._RETRY", 60)
    cluster.failures = 1
    running = asyncio.ensure_future(controller.run())
    controller.resync()
    try:
        async with asyncio.timeout(5):
            while cluster.failures:  # noqa: ASYNC110, the rig tells nobody
                await asyncio.sleep(0.01)
            world.jobs.apply(None, made.job("other"))
            controller.job_changed(("team", "other"))
            while [name for _, name, _ in cluster.patches] != ["other"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()


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


async def test_others_run_between_two_jobs(rig, made):
    world, _, controller = rig
    for number in range(5):
        world.jobs.apply(None, made.job(f"job{number}"))
    await controller.work_off()
    controller.resync()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.ensure_future(others())
    await controller.work_off()
    running.cancel()
    assert turns >= 6


async def test_others_run_between_two_jobs_that_cannot_be_read(rig, made):
    world, _, controller = rig
    world.jobs.replace(world.jobs.read(made.job(f"job{number}", fineTuning={}) for number in range(6)))
    await controller.work_off()
    controller.resync()
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await controller.work_off()
    assert turns


async def test_jobs_that_did_not_change_are_not_estimated_anew(rig, monkeypatch):
    from llmjob.runtime import world as module

    _, _, controller = rig
    await controller.work_off()
    monkeypatch.setattr(module, "decide", lambda *_: pytest.fail("decided anew"))
    controller.resync()
    assert await controller.work_off() == []
    assert [found.name for found in controller.judgements()] == ["job"]


async def test_what_the_watch_brought_during_the_write_is_not_undone_by_its_answer(rig, made):
    world, cluster, controller = rig
    newer = made.job(parameters="8B", generation=2)
    cluster.meanwhile = lambda: world.jobs.apply("MODIFIED", newer)
    await controller.work_off()
    assert world.jobs.find("team", "job").generation == 2


async def test_a_job_deleted_during_the_write_does_not_come_back(rig, made):
    world, cluster, controller = rig
    cluster.meanwhile = lambda: world.jobs.apply("DELETED", made.job())
    await controller.work_off()
    assert world.jobs.find("team", "job") is None


async def test_a_job_that_changes_while_it_is_judged_gets_one_status_for_what_it_is_now(rig, made, monkeypatch):
    world, cluster, controller = rig
    real = type(world).judge

    async def judge(self: Any, seen: Any, *rest: Any) -> Any:
        if seen.generation == 1:
            self.jobs.apply("MODIFIED", made.job(parameters="8B", generation=2))
        return await real(self, seen, *rest)

    monkeypatch.setattr(type(world), "judge", judge)
    await controller.work_off()
    [(_, _, patch)] = cluster.patches
    assert patch["status"]["observedGeneration"] == 2


async def test_a_view_that_grew_too_old_to_deny_by_makes_status_stale(made):
    clock = made.clock_class()
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), clock=clock)
    cluster = Cluster(world)
    controller = Controller(world, cluster, now=lambda: "2026-01-01T00:00:00Z")
    await controller.work_off()
    clock.now += 601
    await controller.work_off()
    world.nodes.apply("MODIFIED", made.node("small", made.t4))
    await controller.work_off()
    assert [event["reason"] for _, event in cluster.events] == [
        "InsufficientGPUMemory",
        "Stale",
        "InsufficientGPUMemory",
    ]


@pytest.mark.parametrize(
    ("settings", "excluded"),
    [
        ("{}", ["nvidia-l4", "nvidia-t4"]),
        ("steering: 'off'", []),
        ("defaultEnforcement: audit", []),
        ("enabled: false", []),
    ],
)
async def test_the_classes_that_status_excludes_are_those_that_admission_would(made, settings, excluded):
    world = made.world(jobs=(made.job(parameters="25B"),), settings=settings)
    cluster = Cluster(world)
    await Controller(world, cluster).work_off()
    [(_, _, patch)] = cluster.patches
    assert sorted(patch["status"]["roles"][0]["excludedClasses"]) == excluded


def exhausted_pod(made: Any) -> Any:
    """A pod of the job whose container ran out of GPU memory."""
    pod = made.pod(nodeName="small")
    pod["metadata"] |= {"namespace": "team", "uid": "uid-pod"}
    ended = {
        "exitCode": 1, "reason": "Error", "startedAt": "2025-12-31T23:00:00Z", "finishedAt": "2025-12-31T23:30:00Z",
        "message": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    }  # fmt: skip
    pod["status"] = {
        "phase": "Running",
        "containerStatuses": [{"name": "main", "restartCount": 0, "state": {"terminated": ended}}],
    }
    return pod


def conditions(world: Any) -> dict[str, Any]:
    """Statuses and generations of the stored conditions."""
    found = world.jobs.find("team", "job").content["status"]["conditions"]
    return {item["type"]: (item["status"], item["observedGeneration"]) for item in found}


async def test_a_job_that_ran_out_of_gpu_memory_says_so_until_it_is_changed_with_one_warning(rig, made):
    world, cluster, _ = rig
    pods = PodView()
    controller = Controller(world, cluster, now=lambda: "2026-01-01T00:00:00Z", pods=pods)
    await controller.work_off()
    assert "MemoryExhausted" not in conditions(world)
    controller.exhaustions.pods_changed({pods.apply("MODIFIED", exhausted_pod(made))})
    for _ in range(3):
        await controller.work_off()
        controller.resync()
    assert conditions(world)["MemoryExhausted"] == ("True", 1)
    [warning] = [event for _, event in cluster.events if event["reason"] == "MemoryExhausted"]
    assert warning["type"] == "Warning"
    assert warning["message"].startswith("pod pod, container main, ran out of GPU memory on nvidia-t4 after 0:30:00.")
    assert "FP8 weights" in warning["message"]
    assert len(cluster.patches) == 2
    # Another status for another reason is no other end.
    world.nodes.replace(world.nodes.read([made.node("small", made.t4)]))
    await controller.work_off()
    assert len(cluster.patches) == 3
    stored = world.jobs.find("team", "job").content["status"]
    world.jobs.apply("MODIFIED", {**made.job(parameters="3B", generation=2), "status": stored})
    controller.job_changed(("team", "job"))
    for _ in range(2):
        await controller.work_off()
        controller.resync()
    assert conditions(world)["MemoryExhausted"] == ("False", 2)
    assert len([event for _, event in cluster.events if event["reason"] == "MemoryExhausted"]) == 1


async def test_a_job_that_cannot_be_read_says_it_too(rig, made):
    world, cluster, _ = rig
    pods = PodView()
    controller = Controller(world, cluster, pods=pods)
    world.jobs.apply("MODIFIED", made.job(fineTuning={}))
    controller.exhaustions.pods_changed({pods.apply("MODIFIED", exhausted_pod(made))})
    await controller.work_off()
    assert conditions(world)["MemoryExhausted"][0] == "True"


async def test_a_job_that_is_gone_and_made_again_begins_without_what_was(rig, made):
    world, cluster, _ = rig
    pods = PodView()
    controller = Controller(world, cluster, pods=pods)
    controller.exhaustions.pods_changed([])
    controller.exhaustions.pods_changed({pods.apply("MODIFIED", exhausted_pod(made))})
    controller.job_changed(world.jobs.apply("DELETED", made.job()))
    await controller.work_off()
    world.jobs.apply("ADDED", made.job())
    assert controller.exhaustions.newest(("team", "job")) is None
    assert controller.exhaustions.count(("team", "job"), "main") == 0
