"""Settings while a process runs, from a file and from a ConfigMap whose changes the test makes."""

import asyncio

import pytest

from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.events import Events
from llmjob.runtime.settings import SettingsError
from llmjob.runtime.settings import feed as module
from llmjob.runtime.settings import source as settings_source
from llmjob.runtime.settings.feed import SettingsFeed

PLACE = "configmap:home/settings"


def config_map(text, key="settings.yaml", uid="u1"):
    return {"metadata": {"name": "settings", "namespace": "home", "uid": uid}, "data": {key: text}}


class Watched:
    """One ConfigMap: each watch tells what there is, then what the test puts; an exception is raised."""

    def __init__(self, now) -> None:
        self.now = now
        self.news = asyncio.Queue()
        self.asked = []
        self.events = []
        self.refuses_events = False
        self.error = None

    async def watch_one(self, path, name):
        self.asked.append((path, name))
        if self.error is not None:
            raise self.error
        yield self.now
        while True:
            found = await self.news.get()
            if isinstance(found, Exception):
                raise found
            self.now = found
            yield found

    async def create(self, path, content):
        if self.refuses_events:
            raise ClusterError("403", 403)
        self.events.append((path, content))


@pytest.fixture
async def rig(made, monkeypatch, caplog):
    monkeypatch.setattr(module, "_RETRY", 0.01)
    caplog.set_level("INFO")
    world, cluster, changes = made.world(settings=""), Watched(config_map("steering: exclude")), []
    feed = SettingsFeed(world, cluster, PLACE, changed=lambda: changes.append(1), events=Events(cluster, lambda: "now"))
    await feed.start()
    keeping = asyncio.ensure_future(feed.keep())

    class Rig:
        pass

    found = Rig()
    found.world, found.cluster, found.feed, found.changes, found.log = world, cluster, feed, changes, caplog
    yield found
    assert not keeping.done(), keeping.exception()
    keeping.cancel()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110, a change of many kinds of state
            await asyncio.sleep(0.005)


def said(rig):
    return [(event["type"], event["reason"]) for _, event in rig.cluster.events]


async def test_a_config_map_is_watched_by_its_name_and_a_change_is_in_force_and_told(rig):
    assert rig.cluster.asked[0] == ("/api/v1/namespaces/home/configmaps", "settings")
    await rig.cluster.news.put(config_map("enabled: false\nviews: {maxAge: 1m}"))
    await until(lambda: rig.changes)
    assert rig.world.settings.enabled is False
    assert "settings changed: enabled, views" in rig.log.text
    assert (rig.feed.successful, said(rig)) == (True, [])


async def test_an_equal_text_is_no_change(rig):
    before = rig.world.settings
    await rig.cluster.news.put(config_map("steering: exclude # a comment"))
    await rig.cluster.news.put(config_map("steering: 'off'"))
    await until(lambda: rig.world.settings.steering == "off")
    assert rig.changes == [1]
    assert rig.world.settings is not before


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (config_map("enabeld: false"), "enabeld is unknown"),
        (config_map("views: {maxAge: 10}"), "views.maxAge: is no duration"),
        (config_map("enabled: false", key="other.yaml"), "no key settings.yaml"),
        (None, "there is no such ConfigMap"),
    ],
    ids=["unknown key", "wrong unit", "key missing", "deleted"],
)
async def test_what_cannot_be_read_changes_nothing_and_is_said_once(rig, broken, named):
    before = rig.world.settings
    for _ in range(3):
        await rig.cluster.news.put(broken)
    await until(lambda: not rig.feed.successful)
    await until(rig.cluster.news.empty)
    assert rig.world.settings is before
    assert rig.changes == []
    [(path, event)] = rig.cluster.events
    assert (path, event["type"], event["reason"]) == ("/api/v1/namespaces/home/events", "Warning", "SettingsInvalid")
    assert named in event["message"]
    assert "last good settings stay" in event["message"]
    assert event["involvedObject"] == {
        "apiVersion": "v1", "kind": "ConfigMap", "namespace": "home", "name": "settings", "uid": "u1"
    }  # fmt: skip
    [line] = [record for record in rig.log.records if record.levelname == "ERROR"]
    assert named in line.message
    assert PLACE in line.message


async def test_the_kill_switch_acts_whatever_else_is_wrong_and_only_while_it_is_said(rig):
    good = rig.world.settings
    await rig.cluster.news.put(config_map("{enabled: false, views: {maxAge: 25h}}"))
    await until(lambda: not rig.world.settings.enabled)
    assert rig.world.settings == good.model_copy(update={"enabled": False})
    assert not rig.feed.successful
    assert len(rig.changes) == 1
    await until(lambda: rig.cluster.events)
    assert "stay in force, but disabled" in rig.cluster.events[0][1]["message"]
    await rig.cluster.news.put(config_map("{enabled: true, views: {maxAge: 25h}}"))
    await until(lambda: rig.world.settings.enabled)
    assert rig.world.settings == good


async def test_another_mistake_is_said_again_and_good_settings_are_said_once(rig):
    await rig.cluster.news.put(config_map("enabeld: false"))
    await rig.cluster.news.put(config_map("enabeld: true"))
    await rig.cluster.news.put(config_map("steering: exclude"))
    await until(lambda: len(rig.cluster.events) == 3)
    assert rig.feed.successful
    await rig.cluster.news.put(config_map("steering: 'off'"))
    await until(lambda: rig.world.settings.steering == "off")
    assert said(rig) == [
        ("Warning", "SettingsInvalid"), ("Warning", "SettingsInvalid"), ("Normal", "SettingsValid")
    ]  # fmt: skip


async def test_an_api_server_that_is_away_is_no_fault_of_the_settings(rig):
    await rig.cluster.news.put(ClusterError("no answer"))
    await rig.cluster.news.put(config_map("enabled: false"))
    await until(lambda: rig.world.settings.enabled is False)
    assert (rig.feed.successful, said(rig)) == (True, [])
    assert len(rig.cluster.asked) == 3


async def test_settings_that_may_not_be_read_any_more_are_said_once_and_again_when_they_may(rig):
    rig.cluster.error = ClusterError("GET: 403 Forbidden", 403)
    await rig.cluster.news.put(rig.cluster.error)
    await until(lambda: len(rig.cluster.asked) > 4)
    assert not rig.feed.successful
    assert "403 Forbidden" in rig.cluster.events[0][1]["message"]
    rig.cluster.error = None
    await until(lambda: rig.feed.successful)
    await until(lambda: said(rig) == [("Warning", "SettingsInvalid"), ("Normal", "SettingsValid")])
    assert rig.changes == []


async def test_an_event_that_is_refused_keeps_no_settings_from_force(rig):
    rig.cluster.refuses_events = True
    await rig.cluster.news.put(config_map("enabeld: false"))
    await rig.cluster.news.put(config_map("enabled: false"))
    await until(lambda: rig.world.settings.enabled is False)
    assert "event on ConfigMap home/settings not posted" in rig.log.text


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (config_map("enabeld: true"), "configmap:home/settings: enabeld is unknown"),
        (config_map("a: 1", key="other"), "configmap:home/settings: the ConfigMap has no key settings.yaml"),
        (None, "configmap:home/settings: there is no such ConfigMap"),
    ],
)
async def test_a_start_is_refused_without_good_settings_naming_place_and_key(made, held, named):
    with pytest.raises(SettingsError, match=named):
        await SettingsFeed(made.world(), Watched(held), PLACE).start()


async def test_a_file_is_read_again_and_a_bad_one_keeps_the_last_good(made, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(settings_source, "_FILE_INTERVAL", 0.01)
    place, world = tmp_path / "settings.yaml", made.world()
    place.write_text("steering: exclude")
    feed = SettingsFeed(world, None, str(place))
    await feed.start()
    keeping = asyncio.ensure_future(feed.keep())
    place.write_text("steering: 'off'")
    await until(lambda: world.settings.steering == "off")
    place.write_bytes(b"\xff\xfe")
    await until(lambda: not feed.successful)
    place.unlink()
    await until(lambda: "No such file" in caplog.text)
    assert world.settings.steering == "off"
    place.write_text("steering: exclude")
    await until(lambda: feed.successful)
    assert world.settings.steering == "exclude"
    keeping.cancel()


async def test_a_file_that_is_not_there_is_named_at_the_start(made, tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.yaml: No such file"):
        await SettingsFeed(made.world(), None, str(tmp_path / "absent.yaml")).start()
