"""Rules of admission that a cluster would show only by luck: what is re-read, what is stale, what passes."""

import threading

import pytest

from llmjob.runtime import admission, pod_question
from llmjob.runtime import world as world_module
from llmjob.runtime.admission import Admission
from llmjob.runtime.cluster import ClusterError

VALIDATE = {"level": "enforce", "resource": "pods", "verb": "validate"}
MUTATE = {"level": "enforce", "resource": "pods", "verb": "mutate"}
CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 128,
}  # fmt: skip
JOBS = {"level": "enforce", "resource": "llmjobs", "verb": "validate"}


async def test_a_pod_that_can_never_fit_is_denied_after_its_job_was_read_again(made):
    store = made.store_class()
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), store=store)
    answer = await Admission(world)(VALIDATE, made.request(made.pod()))
    assert (answer.allowed, answer.reason, answer.code) == (False, "InsufficientGPUMemory", 403)
    assert store.asked == 1


async def test_without_an_answer_to_the_second_look_nothing_is_denied(made):
    store = made.store_class()
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), store=store)
    store.error = ClusterError("no answer")
    answer = await Admission(world)(VALIDATE, made.request(made.pod()))
    assert (answer.allowed, answer.reason) == (True, "Stale")
    assert "needs 30.9 GiB" in answer.warnings[0]


async def test_the_job_as_stored_now_counts_not_the_one_seen_before(made):
    store = made.store_class()
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), store=store)
    store.jobs["team", "job"] = made.job(parameters="1B")
    answer = await Admission(world)(VALIDATE, made.request(made.pod()))
    assert (answer.allowed, answer.reason) == (True, "Fits")


async def test_a_job_deleted_since_is_pending_not_a_denial(made):
    store = made.store_class()
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), store=store)
    store.jobs.clear()
    answer = await Admission(world)(VALIDATE, made.request(made.pod()))
    assert (answer.allowed, answer.reason) == (True, "Pending")


async def test_a_job_that_the_view_lacks_is_read_once(made):
    store = made.store_class()
    world = made.world(store=store)
    store.jobs["team", "job"] = made.job()
    answer = await Admission(world)(VALIDATE, made.request(made.pod()))
    assert (answer.reason, store.asked) == ("Fits", 1)


async def test_under_strict_a_get_without_an_answer_denies_nobody(made):
    store = made.store_class()
    store.error = ClusterError("no answer")
    answer = await Admission(made.world(store=store))({**VALIDATE, "level": "strict"}, made.request(made.pod()))
    assert (answer.allowed, answer.reason) == (True, "Pending")


async def test_a_view_older_than_max_age_is_stale(made):
    clock = made.clock_class()
    world = made.world(made.node("small", made.t4), clock=clock)
    job = made.request(made.job(parameters="13B"))
    assert not (await Admission(world)(JOBS, job)).allowed
    clock.now += 601
    answer = await Admission(world)(JOBS, job)
    assert (answer.allowed, answer.reason) == (True, "Stale")


async def test_where_a_class_fits_a_stale_view_changes_nothing(made):
    clock = made.clock_class()
    world = made.world(clock=clock)
    clock.now += 10_000
    answer = await Admission(world)(JOBS, made.request(made.job()))
    assert (answer.reason, answer.warnings) == ("Fits", ())


@pytest.mark.parametrize("route", [JOBS, VALIDATE, MUTATE])
async def test_an_object_that_is_being_deleted_passes(made, route):
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),))
    content = made.job(parameters="13B") if route is JOBS else made.pod()
    content["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    answer = await Admission(world)(route, made.request(content, old=content, operation="UPDATE"))
    assert (answer.allowed, answer.patch) == (True, ())


async def test_an_update_that_changes_what_is_asked_is_denied_and_one_that_does_not_is_not(made):
    world = made.world(made.node("small", made.t4))
    old, new = made.job(parameters="13B"), made.job(parameters="14B")
    relabelled = made.job(parameters="13B")
    relabelled["metadata"]["labels"] = {"a": "b"}
    review = Admission(world)
    assert not (await review(JOBS, made.request(new, old=old, operation="UPDATE"))).allowed
    same = await review(JOBS, made.request(relabelled, old=old, operation="UPDATE"))
    assert same.allowed
    assert same.warnings


async def test_a_stored_job_that_we_cannot_read_may_still_be_relabelled(made):
    odd = made.job(fineTuning={})
    review = Admission(made.world())
    assert (await review(JOBS, made.request(odd, old=odd, operation="UPDATE"))).allowed
    answer = await review(JOBS, made.request(odd))
    assert (answer.allowed, answer.code) == (False, 422)
    assert answer.causes[0].field.startswith("spec")


async def test_a_mirror_pod_is_left_alone(made):
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),))
    pod = made.pod()
    pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    for route in (VALIDATE, MUTATE):
        answer = await Admission(world)(route, made.request(pod))
        assert (answer.allowed, answer.patch) == (True, ())


async def test_a_second_pass_over_a_steered_pod_adds_nothing(made, apply_patch):
    world = made.world(jobs=(made.job(parameters="25B"),))
    pod = made.pod()
    first = await Admission(world)(MUTATE, made.request(pod))
    patched = apply_patch(pod, first.patch)
    terms = patched["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"][0]["matchExpressions"][0]["operator"] == "NotIn"
    second = await Admission(world)(MUTATE, made.request(patched))
    assert second.patch == ()


async def test_the_verdict_on_a_steered_pod_is_the_one_on_the_pod_as_written(made, apply_patch):
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),))
    pod = made.pod()
    patched = apply_patch(pod, (await Admission(world)(MUTATE, made.request(pod))).patch)
    assert "affinity" in patched["spec"]  # under enforce the exclusions stand though nothing else is there
    answer = await Admission(world)(VALIDATE, made.request(patched))
    assert (answer.allowed, answer.reason) == (False, "InsufficientGPUMemory")


async def test_under_warn_a_pod_with_nowhere_to_go_is_not_steered(made):
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),))
    answer = await Admission(world)({**MUTATE, "level": "warn"}, made.request(made.pod()))
    assert not [operation for operation in answer.patch if operation["path"].startswith("/spec")]


@pytest.mark.parametrize(("word", "steered"), [("off", False), ("exclude", True)])
async def test_the_namespaces_word_on_steering_overrides_the_settings(made, word, steered):
    opposite = "exclude" if word == "off" else "'off'"
    world = made.world(jobs=(made.job(parameters="25B"),), settings=f"steering: {opposite}")
    answer = await Admission(world)({**MUTATE, "steering": word}, made.request(made.pod()))
    assert any(operation["path"].startswith("/spec") for operation in answer.patch) is steered


async def test_a_pod_of_a_daemon_set_is_not_steered(made):
    world = made.world(jobs=(made.job(parameters="25B"),))
    pod = made.pod()
    pod["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "d", "controller": True}]
    answer = await Admission(world)(MUTATE, made.request(pod))
    assert answer.patch
    assert not [operation for operation in answer.patch if operation["path"].startswith("/spec")]


async def test_a_generated_name_is_no_error(made):
    job = made.job()
    job["metadata"] = {"generateName": "sweep-"}
    answer = await Admission(made.world())(JOBS, made.request(job))
    assert (answer.allowed, answer.reason) == (True, "Fits")


async def test_an_audit_entry_says_level_reason_and_need(made):
    answer = await Admission(made.world())(JOBS, made.request(made.job()))
    assert answer.audit == {"level": "enforce", "reason": "Fits", "need": "17.5Gi (13.0Gi-21.0Gi)"}


async def test_the_kill_switch_answers_at_once(made):
    world = made.world(made.node("small", made.t4), settings="enabled: false")
    answer = await Admission(world)(JOBS, made.request(made.job(parameters="13B")))
    assert (answer.allowed, answer.reason, answer.warnings) == (True, "", ())


async def test_the_default_level_is_the_settings(made):
    for word, allowed in (("enforce", False), ("warn", True), ("off", True)):
        settings = f"inventory: {{complete: true}}\ndefaultEnforcement: '{word}'"
        world = made.world(made.node("small", made.t4), settings=settings)
        job = made.request(made.job(parameters="13B"))
        assert (await Admission(world)({**JOBS, "level": "default"}, job)).allowed is allowed


@pytest.mark.parametrize(
    ("level", "owned", "allowed"), [("enforce", False, False), ("enforce", True, True), ("strict", True, False)]
)
async def test_a_controllers_pod_is_denied_under_strict_alone(made, level, owned, allowed):
    world = made.world(made.node("small", made.t4), jobs=(made.job(parameters="13B"),), store=made.store_class())
    pod = made.pod()
    if owned:
        pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "r", "controller": True}]
    answer = await Admission(world)({**VALIDATE, "level": level}, made.request(pod))
    assert answer.allowed is allowed


async def test_where_judging_takes_too_long_the_request_is_allowed_with_a_warning(made, monkeypatch):
    monkeypatch.setattr(admission, "_IN_TIME", 0.05)
    let_go = threading.Event()
    monkeypatch.setattr(world_module, "decide", lambda *_: let_go.wait(5))
    answer = await Admission(made.world())(JOBS, made.request(made.job()))
    let_go.set()
    assert (answer.allowed, answer.reason) == (True, "Timeout")
    assert "unjudged" in answer.warnings[0]


async def test_an_update_that_leaves_what_is_wrong_as_it_was_is_not_refused(made):
    wrong = made.job(topology={"gpusPerPod": 3})
    wrong["spec"]["parallelism"] = {"tensor": 3}
    wrong["spec"]["model"] = {"config": CONFIG}
    relabelled = {**wrong, "metadata": {**wrong["metadata"], "labels": {"a": "b"}}}
    review = Admission(made.world())
    refused = await review(JOBS, made.request(wrong))
    assert (refused.allowed, refused.code, refused.reason) == (False, 422, "BadInput")
    allowed = await review(JOBS, made.request(relabelled, old=wrong, operation="UPDATE"))
    assert (allowed.allowed, allowed.reason) == (True, "BadInput")


async def test_a_jobs_own_verdict_is_not_taken_for_what_steering_adds_to_its_pods(made, apply_patch):
    # Judged where its selector allows, the job excludes nothing; its pods, wherever they may run, exclude small cards.
    job = made.job(parameters="25B", pool="big")
    world = made.world(jobs=(job,), settings="{}")
    review = Admission(world)
    await review(JOBS, made.request(job))
    pod = made.pod()
    patched = apply_patch(pod, (await review(MUTATE, made.request(pod))).patch)
    assert "affinity" in patched["spec"]
    second = await review(MUTATE, made.request(patched))
    assert second.patch == ()


async def test_a_label_that_is_no_jobs_name_is_a_job_that_is_not_there(made):
    store = made.store_class()
    answer = await Admission(made.world(store=store))(VALIDATE, made.request(made.pod("../../team-b/llmjobs/secret")))
    assert (answer.allowed, answer.reason, store.asked) == (True, "Pending", 0)


async def test_nothing_that_grows_with_a_job_is_done_in_the_loop(made, monkeypatch):
    threads = {}

    def watched(module, name):
        real = getattr(module, name)

        def call(*given, **named):
            # A pod is first asked whether it wants a GPU at all, without its job: that is quick.
            if name != "request_from_pod" or given[1] is not None:
                threads.setdefault((module.__name__, name), set()).add(threading.get_ident())
            return real(*given, **named)

        monkeypatch.setattr(module, name, call)

    watched(admission, "_seen")
    watched(admission, "requests_from_llmjob")
    watched(pod_question, "requests_from_llmjob")
    watched(pod_question, "request_from_pod")
    watched(world_module, "decide")
    world = made.world(jobs=(made.job(parameters="25B"),))
    review = Admission(world)
    await review(JOBS, made.request(made.job(), old=made.job(), operation="UPDATE"))
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    await review(VALIDATE, made.request(made.pod(affinity=affinity)))
    assert len(threads) == 5
    assert threading.get_ident() not in set.union(*threads.values())
