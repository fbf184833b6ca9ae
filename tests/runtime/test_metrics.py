from prometheus_client import CollectorRegistry

from llmjob.runtime.metrics import (
    CertificateState,
    FleetState,
    OutOfMemory,
    PodState,
    Predictions,
    ProcessState,
    SettingsState,
)
from llmjob.runtime.pod_view import PodView, joined
from llmjob.runtime.views import NodeView


def collected(*collectors):
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def judged(made, **job):
    return made.judged(made.job(**job), made.world())


def test_engine_method_and_reference_class_are_labels(made):
    found = judged(made, inference=None, fineTuning={"method": "lora", "microBatchSize": 1, "sequenceLength": 512})
    registry = collected(Predictions(lambda: [found]))
    labels = {
        "namespace": "team", "llmjob": "job", "role": "main", "engine": "", "method": "LoRA",
        "reference_class": found.roles[0].verdict.reference_class,
    }  # fmt: skip
    assert registry.get_sample_value("llmjob_info", labels) == 1


def test_where_it_is_unknown_there_is_no_fits(made):
    found = judged(made, parameters="7B", pool="nowhere")
    registry = collected(Predictions(lambda: [found]))
    place = {"namespace": "team", "llmjob": "job", "role": "main"}
    assert registry.get_sample_value("llmjob_fits", place) is None
    assert registry.get_sample_value("llmjob_verdict_info", {**place, "reason": "NoEligibleGPU"}) == 1


def test_series_follow_what_there_is_at_the_scrape(made):
    there = [judged(made)]
    registry = collected(Predictions(lambda: there))
    place = {"namespace": "team", "llmjob": "job", "role": "main"}
    assert registry.get_sample_value("llmjob_fits", place) == 1
    there.clear()
    assert registry.get_sample_value("llmjob_fits", place) is None


def test_declared_pools_count_their_nodes_and_gpus(made):
    world = made.world(settings="inventory: {pools: [{name: l4, gpusPerNode: 4, nodes: 5}]}")
    registry = collected(FleetState(lambda: world.fleet))
    assert registry.get_sample_value("llmjob_gpu_class_nodes", {"class": "nvidia-l4"}) == 6
    assert registry.get_sample_value("llmjob_gpu_class_gpus", {"class": "nvidia-l4"}) == 21


def test_a_view_that_was_never_listed_has_no_age(made):
    view = NodeView(made.clock_class())
    registry = collected(ProcessState({"nodes": view}))
    assert registry.get_sample_value("llmjob_view_age_seconds", {"view": "nodes"}) is None
    view.replace(view.read([]))
    assert registry.get_sample_value("llmjob_view_age_seconds", {"view": "nodes"}) == 0


def test_settings_that_could_not_be_read_are_0():
    state = [True]
    registry = collected(SettingsState(lambda: state[0]))
    assert registry.get_sample_value("llmjob_settings_last_reload_successful") == 1
    state[0] = False
    assert registry.get_sample_value("llmjob_settings_last_reload_successful") == 0


def test_a_certificate_has_its_expiry_once_there_is_one_and_whether_it_was_reloaded():
    expiry, reloaded = [None], [False]
    registry = collected(CertificateState(lambda: expiry[0], lambda: reloaded[0]))
    assert registry.get_sample_value("llmjob_certificate_expiry_timestamp_seconds") is None
    assert registry.get_sample_value("llmjob_certificate_last_reload_successful") == 0
    expiry[0], reloaded[0] = 1.5, True
    assert registry.get_sample_value("llmjob_certificate_expiry_timestamp_seconds") == 1.5
    assert registry.get_sample_value("llmjob_certificate_last_reload_successful") == 1


def test_who_mounts_no_certificate_says_nothing_of_reloads():
    registry = collected(CertificateState(lambda: 1.5))
    assert registry.get_sample_value("llmjob_certificate_last_reload_successful") is None


def test_running_pods_of_a_job_are_there_by_class_and_vanish_with_the_pod(made):
    pods, world = PodView(), made.world(jobs=(made.job(),))
    pod = made.pod(nodeName="small")
    pod["metadata"]["namespace"] = "team"
    pod["status"] = {"phase": "Running"}
    pods.apply("ADDED", pod)
    registry = collected(PodState(lambda: joined(pods, world)))
    place = {"namespace": "team", "pod": "pod", "llmjob": "job", "role": "main", "class": "nvidia-t4"}
    assert registry.get_sample_value("llmjob_pod_info", place) == 1
    pods.apply("DELETED", pod)
    assert registry.get_sample_value("llmjob_pod_info", place) is None


def test_every_role_of_a_job_has_its_count_of_exhausted_memory_from_the_start(made):
    judgement = made.judged(made.job(), made.world())
    counts = {}
    registry = collected(OutOfMemory(lambda: [judgement], lambda job, role: counts.get((job, role), 0)))
    place = {"namespace": "team", "llmjob": "job", "role": "main"}
    assert registry.get_sample_value("llmjob_gpu_out_of_memory_total", place) == 0
    counts[("team", "job"), "main"] = 2
    assert registry.get_sample_value("llmjob_gpu_out_of_memory_total", place) == 2
