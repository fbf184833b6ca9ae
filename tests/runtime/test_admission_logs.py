"""For whom the containers of a pod show the end of their log."""

from llmjob.runtime.admission import Admission

NAMESPACE_ASKS = {"resource": "pods", "verb": "mutate"}
LEVEL = {"level": "audit", "resource": "pods", "verb": "mutate"}


def paths(patch):
    return {item["path"]: item["value"] for item in patch if "terminationMessagePolicy" in item["path"]}


async def test_an_annotation_of_the_pod_asks_at_any_level(made, apply_patch):
    world = made.world(jobs=(made.job(),))
    silent, asking, other = made.pod(), made.pod(), made.pod()
    asking["metadata"]["annotations"] = {"llmjob.dev/termination-message": "logs"}
    other["metadata"]["annotations"] = {"llmjob.dev/termination-message": "file"}
    answers = [await Admission(world)(LEVEL, made.request(pod)) for pod in (silent, asking, other)]
    assert [bool(paths(answer.patch)) for answer in answers] == [False, True, False]
    written = apply_patch(asking, answers[1].patch)
    assert written["metadata"]["annotations"]["status.llmjob.dev/verdict"] == "Fits"


async def test_where_the_namespace_asks_that_is_all_that_changes(made):
    answer = await Admission(made.world(jobs=(made.job(),)))(NAMESPACE_ASKS, made.request(made.pod()))
    assert [item["path"] for item in answer.patch] == ["/spec/containers/0/terminationMessagePolicy"]


async def test_mirrors_updates_and_the_kill_switch_change_nothing(made):
    mirror = made.pod()
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    world = made.world(jobs=(made.job(),))
    for request in (made.request(mirror), made.request(made.pod(), operation="UPDATE")):
        assert not (await Admission(world)(NAMESPACE_ASKS, request)).patch
    killed = made.world(jobs=(made.job(),), settings="enabled: false")
    assert not (await Admission(killed)(NAMESPACE_ASKS, made.request(made.pod()))).patch
