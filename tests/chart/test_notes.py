"""What helm says after an installation: the level in force, commands that verify it, the next step."""

from collections.abc import Callable

import pytest

from tools import renders

pytestmark = pytest.mark.cluster

Notes = Callable[..., str]


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    monkeypatch.setenv("KUBECONFIG", "/dev/null")  # whatever cluster is at hand, it is not asked

    def said(*sets: str, release: str = "llmjob") -> str:
        flags = [part for item in sets for part in ("--set", item)]
        answer = renders.helm(
            "install", release, str(renders.CHART), "--namespace", renders.NAMESPACE, "--dry-run=client", *flags
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.partition("NOTES:\n")[2]

    return said


def test_commands_name_this_releases_objects(notes: Notes) -> None:
    text = notes(release="gpu")
    for command in (
        "kubectl rollout status deployment/gpu-llmjob-webhook -n llmjob-system",
        "kubectl rollout status deployment/gpu-llmjob-controller -n llmjob-system",
        "helm test gpu -n llmjob-system",
        "kubectl get --raw /api/v1/namespaces/llmjob-system/services/gpu-llmjob-controller:metrics/proxy/metrics",
    ):
        assert command in text


@pytest.mark.parametrize(
    ("level", "following"), [("off", "audit"), ("audit", "warn"), ("warn", "enforce"), ("enforce", None)]
)
def test_the_level_in_force_and_the_next_step(notes: Notes, level: str, following: str | None) -> None:
    text = notes(f"settings.defaultEnforcement={level}")
    assert f"no label llmjob.dev/enforcement: {level}\n" in text
    if following is None:
        assert "Next:" not in text
    else:
        assert f"--set settings.defaultEnforcement={following}" in text
    assert ("settings.inventory.complete=true" in text) is (following == "enforce")


@pytest.mark.parametrize(("complete", "told"), [("false", 1), ("true", 0)])
def test_enforcing_without_a_complete_inventory_is_said_to_refuse_nothing(
    notes: Notes, complete: str, told: int
) -> None:
    text = notes("settings.defaultEnforcement=enforce", f"settings.inventory.complete={complete}")
    assert text.count("Nothing is refused all the same") == told


def test_the_kill_switch_is_named(notes: Notes) -> None:
    assert "everything is allowed unseen" in notes("settings.enabled=false")


def test_without_admission_nothing_is_promised(notes: Notes) -> None:
    text = notes("webhook.enabled=false")
    assert "There is no admission" in text
    assert "helm test" not in text
    assert "llmjob-webhook" not in text
