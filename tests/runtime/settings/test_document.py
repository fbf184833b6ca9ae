from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from llmjob.decision.policy import Policy
from llmjob.fleet.fleet import Fleet
from llmjob.names import Level
from llmjob.runtime.settings import Settings, SettingsError

ROOT = Path(__file__).resolve().parents[3]


def test_an_empty_text_is_the_contracts_defaults():
    settings = Settings.from_text("")
    assert (settings.enabled, settings.default_level, settings.steering) == (True, Level.WARN, "exclude")
    assert (settings.inventory.complete, settings.inventory.pools) == (False, ())
    assert (settings.views.list_interval, settings.views.max_age) == (300.0, 600.0)
    asked = settings.prometheus
    assert (asked.url, asked.ca_file, asked.bearer_token_file, asked.tenant) == ("", "", "", None)
    assert (asked.interval, asked.status_change_percent, asked.status_interval) == (60.0, 2, 600.0)


def test_every_key_is_read():
    text = """
    enabled: false
    defaultEnforcement: strict
    steering: "off"
    inventory: {complete: true, pools: [{name: l4, gpusPerNode: 2, nodes: 3}]}
    views: {listInterval: 1m30s, maxAge: 500ms}
    prometheus:
      url: https://mimir.example:8443/prometheus
      caFile: /ca.crt
      bearerTokenFile: /token
      tenantHeader: "X-Scope-OrgID: platform"
      interval: 30s
      statusChangePercent: 5
      statusInterval: 1h
    """
    settings = Settings.from_text(text)
    assert (settings.enabled, settings.default_level, settings.steering) == (False, Level.STRICT, "off")
    assert settings.inventory.complete
    assert (settings.views.list_interval, settings.views.max_age) == (90.0, 0.5)
    asked = settings.prometheus
    assert (asked.url, asked.ca_file, asked.bearer_token_file) == (
        "https://mimir.example:8443/prometheus", "/ca.crt", "/token",
    )  # fmt: skip
    assert (asked.tenant, asked.interval) == (("X-Scope-OrgID", "platform"), 30.0)
    assert (asked.status_change_percent, asked.status_interval) == (5, 3600.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("enabeld: true", "enabeld is unknown; did you mean enabled?"),
        ("inventory: {compleet: true}", "inventory.compleet is unknown; did you mean complete?"),
        ("views: {x: 1}", "views.x is unknown; known here: listInterval, maxAge"),
        ("1: true", "1"),
        ("defaultEnforcement: loud", "defaultEnforcement"),
        ("enabled: 'yes'", "enabled"),
        ("views: {maxAge: 10}", "views.maxAge: is no duration; write it like 30s"),
        ("views: {maxAge: ten minutes}", "views.maxAge: 'ten minutes' is no duration"),
        ("views: {maxAge: 0s}", "views.maxAge: must be longer than nothing and at most 24h"),
        ("views: {maxAge: 25h}", "views.maxAge: must be longer than nothing and at most 24h"),
        (f"views: {{maxAge: {'9' * 400}h}}", "views.maxAge: must be longer than nothing and at most 24h"),
        ("views: {maxAge: 5 m}", "views.maxAge: '5 m' is no duration"),
        ("views: {maxAge: 10min}", "views.maxAge: '10min' is no duration"),
        ("views: {listInterval: 5ms}", "views.listInterval: must be at least 1s"),
        ("defaultEnforcement: off", "defaultEnforcement: is false to YAML; put the word in quotes"),
        ("steering: off", "steering: is false to YAML; put the word in quotes"),
        ("inventory: {pools: [{gpusPerNode: 1}]}", "inventory.pools[0]"),
        ("prometheus: {url: prometheus:9090}", "prometheus.url: is no address; write it like http://"),
        ("prometheus: {url: 'http://'}", "prometheus.url: is no address"),
        ("prometheus: {url: 'http://[::1'}", "prometheus.url"),
        ("prometheus: {url: 'http://me:secret@p:9090'}", "prometheus.url: must be scheme, host, port and path only"),
        ("prometheus: {url: 'http://p:9090/?x=1'}", "prometheus.url: must be scheme, host, port and path only"),
        ("prometheus: {url: 'http://p:9090/#x'}", "prometheus.url: must be scheme, host, port and path only"),
        ("prometheus: {tenantHeader: platform}", "prometheus.tenantHeader: is no header; write it like X-Scope-OrgID"),
        ('prometheus: {tenantHeader: "X: a\\r\\nY: b"}', "prometheus.tenantHeader: is no header"),
        ("prometheus: {interval: 500ms}", "prometheus.interval: must be at least 1s"),
        ("prometheus: {interval: 11m}", "prometheus.interval: must be at most 10m"),
        ("prometheus: {statusChangePercent: 0}", "prometheus.statusChangePercent"),
        ("prometheus: {statusChangePercent: 101}", "prometheus.statusChangePercent"),
        ("prometheus: {statusInterval: 5ms}", "prometheus.statusInterval: must be at least 1s"),
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


_KEYS = st.sampled_from(
    ["enabled", "defaultEnforcement", "steering", "inventory", "complete", "pools", "views", "listInterval", "maxAge",
     "name", "memory", "labels", "taints", "", 1, None]
)  # fmt: skip
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["5m", "l4"])
_TREES = st.recursive(
    _LEAVES, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(_KEYS, deeper, max_size=4), max_leaves=12
)


@given(st.dictionaries(_KEYS, _TREES, max_size=5) | _TREES)
def test_whatever_is_written_is_settings_or_an_error_of_theirs(content):
    with suppress(SettingsError):
        Settings.from_text(yaml.safe_dump(content))


def documented():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def modelled(section=Settings, prefix=""):
    found = {}
    for field in section.model_fields.values():
        path = f"{prefix}{field.alias}"
        if isinstance(field.default, BaseModel):
            found |= modelled(type(field.default), f"{path}.")
        else:
            found[path] = field.default
    return found


def test_every_key_is_documented_with_its_default_and_what_may_stand_there():
    rows, keys = documented(), modelled()
    assert rows.keys() == keys.keys()
    nothing = Settings()
    for path, (default, may, meaning) in rows.items():
        *sections, key = path.split(".")
        content = {key: yaml.safe_load(default.strip("`"))}
        for section in reversed(sections):
            content = {section: content}
        assert Settings.from_text(yaml.safe_dump(content)) == nothing, path
        assert may, path
        assert meaning, path
    assert {path for path, (_, may, _) in rows.items() if "duration" in may} == {
        path for path, default in keys.items() if isinstance(default, float)
    }


def test_every_word_of_a_choice_is_documented():
    rows = documented()
    for level in Level:
        assert f"`{level}`" in rows["defaultEnforcement"][1]
    for word in ("exclude", "off"):
        assert f"`{word}`" in rows["steering"][1]
