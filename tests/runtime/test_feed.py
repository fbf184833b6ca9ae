import asyncio

import pytest

from llmjob.runtime import feed as module
from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.feed import Feed, NotInstalled
from llmjob.runtime.paths import JOBS, NODES
from llmjob.runtime.settings import SettingsError


class Lists:
    """Collections by path; an error is raised instead."""

    def __init__(self) -> None:
        self.found = {NODES: [], JOBS: []}
        self.error = {}
        self.objects = {}

    async def list(self, path):
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


async def test_a_start_fills_both_views_and_reads_the_settings(rig, made, tmp_path):
    world, lists = rig
    place = tmp_path / "settings.yaml"
    place.write_text("defaultEnforcement: enforce")
    lists.found = {NODES: [made.node("a", made.l4)], JOBS: [made.job("one")]}
    told = []
    await Feed(world, lists, settings=str(place), fleet_changed=lambda: told.append(1)).start()
    assert world.settings.default_enforcement == "enforce"
    assert [found.name for found in world.fleet.classes()] == ["nvidia-l4"]
    assert world.jobs.find("team", "one")
    assert told


async def test_a_cluster_without_the_crd_says_what_to_apply(rig):
    world, lists = rig
    lists.error = {JOBS: ClusterError("404", 404)}
    with pytest.raises(NotInstalled, match="apply crds/"):
        await Feed(world, lists).start()


async def test_wrong_settings_stop_the_start(rig, tmp_path):
    world, lists = rig
    place = tmp_path / "settings.yaml"
    place.write_text("enabeld: true")
    with pytest.raises(SettingsError, match="enabeld"):
        await Feed(world, lists, settings=str(place)).start()


async def test_settings_may_stand_in_a_config_map(rig):
    world, lists = rig
    lists.objects["/api/v1/namespaces/n/configmaps/s"] = {"data": {"settings.yaml": "enabled: false"}}
    await Feed(world, lists, settings="configmap:n/s").start()
    assert world.settings.enabled is False
    with pytest.raises(SettingsError, match="no ConfigMap n/absent"):
        await Feed(world, lists, settings="configmap:n/absent").start()


async def test_settings_are_read_again_and_bad_ones_change_nothing(rig, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FILE_INTERVAL", 0.01)
    world, lists = rig
    place = tmp_path / "settings.yaml"
    place.write_text("steering: exclude")
    changed = asyncio.Event()
    feed = Feed(world, lists, settings=str(place), fleet_changed=changed.set)
    await feed.start()
    keeping = asyncio.ensure_future(feed.keep_settings())
    changed.clear()
    place.write_text("steering: 'off'")
    await asyncio.wait_for(changed.wait(), 5)
    assert world.settings.steering == "off"
    place.write_text("steering: sideways")
    await asyncio.sleep(0.1)
    assert world.settings.steering == "off"
    assert not keeping.done()
    keeping.cancel()


async def test_a_list_that_fails_leaves_the_views_and_is_tried_again(rig, made):
    world, lists = rig
    world.settings = type(world.settings).from_text("views: {listInterval: 10ms}")
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
