import pytest

from llmjob.decision.policy import Policy
from llmjob.fleet.fleet import Fleet
from llmjob.names import Level
from llmjob.runtime.settings import Settings, SettingsError, config_map_of, read_settings, text_of


def test_an_empty_text_is_the_contracts_defaults():
    settings = Settings.from_text("")
    assert (settings.enabled, settings.default_level, settings.steering) == (True, Level.WARN, "exclude")
    assert (settings.inventory.complete, settings.inventory.pools) == (False, ())
    assert (settings.views.list_interval, settings.views.max_age) == (300.0, 600.0)


def test_every_key_is_read():
    text = """
    enabled: false
    defaultEnforcement: strict
    steering: "off"
    inventory: {complete: true, pools: [{name: l4, gpusPerNode: 2, nodes: 3}]}
    views: {listInterval: 1m30s, maxAge: 500ms}
    """
    settings = Settings.from_text(text)
    assert (settings.enabled, settings.default_level, settings.steering) == (False, Level.STRICT, "off")
    assert settings.inventory.complete
    assert (settings.views.list_interval, settings.views.max_age) == (90.0, 0.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("enabeld: true", "enabeld is unknown"),
        ("inventory: {compleet: true}", "inventory.compleet is unknown"),
        ("defaultEnforcement: loud", "defaultEnforcement"),
        ("enabled: 'yes'", "enabled"),
        ("views: {maxAge: 10}", "views.maxAge: is no duration; write it like 30s"),
        ("views: {maxAge: ten minutes}", "views.maxAge: 'ten minutes' is no duration"),
        ("views: {maxAge: 0s}", "views.maxAge"),
        ("inventory: {pools: [{gpusPerNode: 1}]}", "inventory.pools[0]"),
        ("- a\n- b", "no mapping"),
        ("a: [", "not YAML"),
        ("enabled: true\n---\nenabled: false", "more than one"),
    ],
)
def test_a_mistake_names_its_key(text, named):
    with pytest.raises(SettingsError) as error:
        Settings.from_text(text)
    assert named in str(error.value)


def test_a_key_without_a_value_is_its_default():
    assert Settings.from_text("inventory:\nviews:\n") == Settings()


def test_declared_pools_join_the_fleet():
    settings = Settings.from_text("inventory: {pools: [{name: l4, gpusPerNode: 2, nodes: 3}]}")
    classes = settings.with_pools(Fleet.of(())).classes()
    assert [(found.name, found.gpus_per_node, found.nodes) for found in classes] == [("nvidia-l4", 2, 3)]


def test_a_place_is_a_file_or_a_config_map():
    assert config_map_of("settings.yaml") is None
    assert config_map_of("configmap:llmjob-system/llmjob-settings") == ("llmjob-system", "llmjob-settings")


@pytest.mark.parametrize("place", ["configmap:", "configmap:name", "configmap:a/", "configmap:a/b/c"])
def test_a_config_map_needs_namespace_and_name(place):
    with pytest.raises(SettingsError, match="configmap:NAMESPACE/NAME"):
        config_map_of(place)


def test_a_config_map_holds_settings_under_its_key_or_its_only_one():
    assert text_of({"data": {"settings.yaml": "a: 1", "other": "b: 2"}}) == "a: 1"
    assert text_of({"data": {"any": "a: 1"}}) == "a: 1"
    assert text_of({}) == ""
    with pytest.raises(SettingsError, match=r"settings\.yaml"):
        text_of({"data": {"one": "", "two": ""}})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.yaml: No such file"):
        read_settings(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("", {}, Policy(level=Level.WARN)),
        ("defaultEnforcement: strict", {}, Policy(level=Level.STRICT)),
        ("defaultEnforcement: strict", {"level": Level.AUDIT}, Policy(level=Level.AUDIT)),
        ("inventory: {complete: true}", {"stale": True}, Policy(inventory_complete=True, stale=True)),
        ("", {"missing": True, "deniable": False}, Policy(missing=True, deniable=False)),
        ("steering: 'off'", {}, Policy(steering=False)),
        ("steering: 'off'", {"steering": "exclude"}, Policy(steering=True)),
        ("", {"steering": "off"}, Policy(steering=False)),
        ("enabled: false", {"level": Level.STRICT}, Policy(level=Level.OFF)),
    ],
)
def test_a_policy_is_the_settings_word_and_the_moments(text, given, expected):
    assert Settings.from_text(text).policy(**given) == expected


@pytest.mark.parametrize("place", ["configmap:../x/y", "configmap:n/..", "configmap:n/A", "configmap:n/a/b"])
def test_a_config_map_has_names_that_objects_can_have(place):
    with pytest.raises(SettingsError, match="NAMESPACE/NAME"):
        config_map_of(place)
