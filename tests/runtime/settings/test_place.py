import pytest

from llmjob.runtime.settings import SettingsError, config_map_of, read_settings, text_of


def test_a_place_is_a_file_or_a_config_map():
    assert config_map_of("settings.yaml") is None
    assert config_map_of("configmap:llmjob-system/llmjob-settings") == ("llmjob-system", "llmjob-settings")


@pytest.mark.parametrize("place", ["configmap:", "configmap:name", "configmap:a/", "configmap:a/b/c"])
def test_a_config_map_needs_namespace_and_name(place):
    with pytest.raises(SettingsError, match="configmap:NAMESPACE/NAME"):
        config_map_of(place)


def test_a_config_map_holds_settings_under_their_key_alone():
    assert text_of({"data": {"settings.yaml": "a: 1", "other": "b: 2"}}) == "a: 1"
    assert text_of({"data": {"settings.yaml": ""}}) == ""
    with pytest.raises(SettingsError, match=r"no key settings\.yaml; it holds one, two"):
        text_of({"data": {"two": "", "one": ""}})
    with pytest.raises(SettingsError, match=r"no key settings\.yaml$"):
        text_of({})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.yaml: No such file"):
        read_settings(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize("place", ["configmap:../x/y", "configmap:n/..", "configmap:n/A", "configmap:n/a/b"])
def test_a_config_map_has_names_that_objects_can_have(place):
    with pytest.raises(SettingsError, match="NAMESPACE/NAME"):
        config_map_of(place)
