import asyncio
import threading

import pytest

from llmjob.runtime import feed as module
from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.feed import Feed, NotInstalled
from llmjob.runtime.paths import JOBS, NODES, PODS
from llmjob.runtime.pod_view import PodView
from llmjob.runtime.settings import Views
from llmjob.runtime.settings.feed import SettingsFeed
from llmjob.runtime.views import SeenJob


class Lists:
    """Collections by path; an error is raised instead."""

    def __init__(self) -> None:
        self.found = {NODES: [], JOBS: [], PODS: []}
        self.selectors = {}
        self.error = {}
        self.objects = {}

    async def list(self, path, selector=None):
        self.selectors[path] = selector
        if path in self.error:
            raise self.error[path]
        for item in self.found[path]:
            yield item

    async def get(self, path):
        return self.objects.get(path)


@pytest.fixture
def rig(made):
    world = made.world()
    return world, Lists()


def listing_often(world):
    """No administrator may ask for a LIST each 10 ms."""
    world.settings = world.settings.model_copy(update={"views": Views.model_construct(list_interval=0.01)})


async def test_a_start_reads_the_settings_and_fills_both_views(rig, made, tmp_path):
    world, lists = rig
    place = tmp_path / "settings.yaml"
    place.write_text("defaultEnforcement: enforce")
    lists.found = {NODES: [made.node("a", made.l4)], JOBS: [made.job("one")]}
    told = []
    feed = Feed(world, lists, settings=SettingsFeed(world, lists, str(place)), fleet_changed=lambda: told.append(1))
    await feed.start()
    assert world.settings.default_enforcement == "enforce"
    assert [found.name for found in world.fleet.classes()] == ["nvidia-l4"]
    assert world.jobs.find("team", "one")
    assert told


async def test_only_pods_that_name_a_job_are_listed_and_only_where_there_is_a_view_of_them(rig, made):
    world, lists = rig
    lists.found[PODS] = [made.pod()]
    await Feed(world, lists).start()
    assert PODS not in lists.selectors
    pods = PodView()
    await Feed(world, lists, pods=pods).start()
    assert [pod.job for pod in pods] == ["job"]
    assert lists.selectors == {NODES: None, JOBS: None, PODS: "llmjob.dev/job"}


async def test_whoever_follows_pods_is_told_of_each_lists_changes_at_once_and_of_the_first_though_it_is_empty(
    rig, made
):
    world, lists = rig
    told = []
    feed = Feed(world, lists, pods=PodView(), pods_changed=told.append)
    await feed.start()
    lists.found[PODS] = [made.pod()]
    await feed.list_all()
    await feed.list_all()
    assert told == [set(), {("", "pod")}, set()]


async def test_a_cluster_without_the_crd_says_what_to_apply(rig):
    world, lists = rig
    lists.error = {JOBS: ClusterError("404", 404)}
    with pytest.raises(NotInstalled, match="apply crds/"):
        await Feed(world, lists).start()


async def test_a_list_that_fails_leaves_the_views_and_is_tried_again(rig, made):
    world, lists = rig
    listing_often(world)
    lists.error = {NODES: ClusterError("no answer")}
    feed = Feed(world, lists)
    keeping = asyncio.ensure_future(feed.keep_listing())
    await asyncio.sleep(0.05)
    assert world.fleet.classes()
    lists.error = {}
    lists.found[NODES] = [made.node("a", made.l4)]
    await asyncio.sleep(0.1)
    assert [found.name for found in world.fleet.classes()] == ["nvidia-l4"]
    keeping.cancel()


async def test_what_a_list_changed_is_told_of(rig, made):
    world, lists = rig
    world.jobs.apply(None, made.job("gone"))
    world.jobs.apply(None, made.job("same"))
    lists.found[JOBS] = [made.job("same"), made.job("new")]
    told = []
    await Feed(world, lists, job_changed=told.append).list_all()
    assert sorted(told) == [("team", "gone"), ("team", "new")]


async def test_events_during_a_slow_list_are_not_undone_by_it(rig, made):
    world, _ = rig
    old, new = made.job("one", parameters="7B"), made.job("one", parameters="8B")
    node, moved = made.node("a", made.t4), made.node("a", made.l4)
    old["metadata"]["resourceVersion"] = node["metadata"]["resourceVersion"] = "9"
    new["metadata"]["resourceVersion"] = moved["metadata"]["resourceVersion"] = "10"

    class Slow(Lists):
        async def list(self, path, _selector=None):
            if path == JOBS:
                world.jobs.apply("MODIFIED", new)
                yield old
            else:
                world.nodes.apply("MODIFIED", moved)
                yield node

    await Feed(world, Slow()).list_all()
    assert world.jobs.find("team", "one").job.spec.model.parameters == "8B"
    assert [found.name for found in world.fleet.classes()] == ["nvidia-l4"]


async def test_the_loop_is_free_while_a_list_is_read(rig, made, monkeypatch):
    world, lists = rig
    lists.found[JOBS] = [made.job("one")]
    loop = threading.get_ident()
    threads = []
    real = SeenJob.of
    monkeypatch.setattr(SeenJob, "of", lambda content: threads.append(threading.get_ident()) or real(content))
    await Feed(world, lists).list_all()
    assert threads
    assert loop not in threads


async def test_a_list_that_fails_is_told_of_since_the_view_may_be_too_old_now(rig):
    world, lists = rig
    listing_often(world)
    lists.error = {NODES: ClusterError("no answer")}
    told = asyncio.Event()
    keeping = asyncio.ensure_future(Feed(world, lists, fleet_changed=told.set).keep_listing())
    await asyncio.wait_for(told.wait(), 5)
    keeping.cancel()


async def test_watch_events_reach_the_views_and_are_told_of(rig, made, monkeypatch):
    world, lists = rig
    handlers = {}

    def event(*resource, registry):  # noqa: ARG001, as Kopf names it
        return lambda handler: handlers.setdefault(resource[-1], handler)

    monkeypatch.setattr(module.kopf.on, "event", event)
    told = []
    feed = Feed(world, lists, fleet_changed=lambda: told.append("fleet"), job_changed=told.append)
    feed.register(None)
    await handlers["llmjobs"](event={"type": "ADDED", "object": made.job("one")})
    assert world.jobs.find("team", "one")
    await handlers["nodes"](event={"type": "ADDED", "object": made.node("new", made.a100)})
    await handlers["nodes"](event={"type": "MODIFIED", "object": made.node("new", made.a100)})
    assert told == [("team", "one"), "fleet"]
