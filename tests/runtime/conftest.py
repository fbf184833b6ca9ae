"""A world without a cluster: real views, filled by hand."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from llmjob.runtime.judgement import Judgement
from llmjob.runtime.settings import Settings
from llmjob.runtime.views import JobView, NodeView, SeenJob
from llmjob.runtime.world import World
from llmjob.workloads.llmjob import requests_from_llmjob

T4 = ("Tesla-T4", "15360", "small")
L4 = ("NVIDIA-L4", "23034", "middle")
A100 = ("NVIDIA-A100-SXM4-80GB", "81920", "big")
Json = dict[str, Any]


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """What a GET of an LLMJob finds; an exception is raised instead."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.error: Exception | None = None
        self.asked = 0

    async def __call__(self, namespace: str, name: str, timeout: float) -> Mapping[str, Any] | None:  # noqa: ASYNC109
        self.asked += 1
        assert timeout <= 0.5
        if self.error is not None:
            raise self.error
        return self.jobs.get((namespace, name))


def make_node(name: str, card: tuple[str, str, str], count: int = 1) -> Json:
    product, memory, pool = card
    labels = {
        "nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": memory, "nvidia.com/gpu.count": str(count),
        "pool": pool, "kubernetes.io/hostname": name,
    }  # fmt: skip
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": {"nvidia.com/gpu": str(count)}}}


def make_job(
    name: str = "job", *, parameters: str = "7B", pool: str | None = None, generation: int = 1, **spec: Any
) -> Json:
    wanted: Json = {"model": {"parameters": parameters}, "inference": {}, **spec}
    if pool:
        wanted["scheduling"] = {"nodeSelector": {"pool": pool}}
    return {
        "apiVersion": "llmjob.dev/v1alpha1",
        "kind": "LLMJob",
        "metadata": {"name": name, "namespace": "team", "generation": generation, "uid": f"uid-{name}"},
        "spec": wanted,
    }


def make_pod(job: str | None = "job", *, gpus: int = 1, pool: str | None = None, **spec: Any) -> Json:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    wanted: Json = {"containers": [{"name": "main", "resources": {"limits": limits}}], **spec}
    if pool:
        wanted["nodeSelector"] = {"pool": pool}
    return {"metadata": {"name": "pod", "labels": {"llmjob.dev/job": job} if job else {}}, "spec": wanted}


def make_request(content: Json, *, old: Json | None = None, operation: str = "CREATE") -> Json:
    request: Json = {"uid": "u1", "operation": operation, "namespace": "team", "object": content}
    return request if old is None else {**request, "oldObject": old}


class Made:
    """Makers of objects, and what a world is made of."""

    node = staticmethod(make_node)
    job = staticmethod(make_job)
    pod = staticmethod(make_pod)
    request = staticmethod(make_request)
    t4, l4, a100 = T4, L4, A100
    clock_class, store_class = Clock, Store

    @staticmethod
    def world(
        *nodes: Json, jobs: tuple[Json, ...] = (), store: Store | None = None, clock: Clock | None = None,
        settings: str = "inventory: {complete: true}",
    ) -> World:  # fmt: skip
        ticking = clock or Clock()
        kept = store or Store()
        for job in jobs:
            kept.jobs["team", job["metadata"]["name"]] = job
        world = World(
            nodes=NodeView(ticking), jobs=JobView(ticking), find_job=kept, settings=Settings.from_text(settings)
        )
        world.nodes.replace(
            world.nodes.read(nodes or (make_node("small", T4), make_node("middle", L4), make_node("big", A100, 8)))
        )
        world.jobs.replace(world.jobs.read(jobs))
        return world

    @staticmethod
    def judged(job: Json, world: World) -> Judgement:
        """The judgement that the controller would make."""
        seen = SeenJob.of(job)
        assert seen.job is not None
        return asyncio.run(world.judge(seen, requests_from_llmjob(seen.job), world.settings.policy()))


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def apply_patch() -> Callable[[Json, Any], Json]:
    """JSON patch (RFC 6902, add and remove) applied apart from the product."""
    import copy

    def apply(content: Json, operations: Any) -> Json:
        result = copy.deepcopy(content)
        for operation in operations:
            *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
            place = result
            for part in parents:
                place = place[int(part) if isinstance(place, list) else part]
            if operation["op"] == "remove":
                del place[last]
            else:
                place[last] = operation["value"]
        return result

    return apply
