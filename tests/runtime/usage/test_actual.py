"""Actual use: a controller beside a Prometheus that answers, is away, hangs or lies."""

import asyncio
import copy
import logging
import re

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from llmjob.names import Condition
from llmjob.runtime.controller import Controller
from llmjob.runtime.metrics import ActualState
from llmjob.runtime.pod_view import PodView
from llmjob.runtime.server import listening
from llmjob.runtime.settings import Settings
from llmjob.runtime.status import condition_of
from llmjob.runtime.usage.actual import ActualUse

MIB = 2**20
GIB = 2**30
START = 1_770_000_000.0


def series(name, *samples, **labels):
    metric = {"__name__": name, **labels}
    return {
        "metric": metric,
        "values": [[time, value if isinstance(value, str) else f"{value:g}"] for time, value in samples],
    }


class Prometheus:
    """Speaks the HTTP API; `text` is said instead of an answer, `wait` makes it hang."""

    def __init__(self):
        self.gpus, self.engines = [], []
        self.status, self.text, self.wait, self.url = 200, None, None, ""
        self.queries = []

    async def handle(self, request):
        form = await request.post()
        self.queries.append((request.path, form["query"], dict(request.headers)))
        if self.wait is not None:
            await self.wait.wait()
        if self.text is not None:
            return web.Response(text=self.text, status=self.status, content_type="text/html")
        result = self.gpus if "DCGM" in form["query"] else self.engines
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def uses(self, time, *mib, pod="pod", **labels):
        """What one GPU has in use from a time on, a sample each second."""
        own = {"exported_pod": pod, "exported_namespace": "team", "pod": "dcgm", "UUID": "GPU-0", **labels}
        self.gpus = [series("DCGM_FI_DEV_FB_USED", *((time + i, value) for i, value in enumerate(mib)), **own)]


class Cluster:
    """Takes merge patches of status as the API server does."""

    def __init__(self, world):
        self.world, self.patches = world, []

    async def merge(self, path, patch):
        name = re.fullmatch(r"/apis/llmjob.dev/v1alpha1/namespaces/team/llmjobs/([^/]+)/status", path)[1]
        self.patches.append(patch)
        stored = copy.deepcopy(dict(self.world.jobs.find("team", name).content))
        status = {**stored.get("status", {})}
        for key, value in patch["status"].items():
            if value is None:
                status.pop(key, None)
            elif isinstance(value, dict) and isinstance(status.get(key), dict):
                status[key] = {k: v for k, v in {**status[key], **value}.items() if v is not None}
            else:
                status[key] = value
        return {**stored, "status": status}

    async def create(self, path, content):
        pass


class Rig:
    """A job of 7B parameters with one running pod on a T4, observed."""

    def __init__(self, made, prometheus, **job):
        self.made, self.prometheus = made, prometheus
        self.world = made.world(jobs=(made.job(**job),))
        self.ask(url=prometheus.url)
        self.pods = PodView()
        self.run("pod")
        self.now = START
        self.cluster = Cluster(self.world)
        self.begin()

    def begin(self):
        """A controller that knows nothing but the cluster."""
        self.controller = Controller(self.world, self.cluster, now=lambda: "2026-01-01T00:00:00Z", pods=self.pods)
        self.due = []
        self.use = ActualUse(
            self.world, self.pods, judgements=self.controller.judgements, changed=self.changed, now=lambda: self.now
        )
        self.controller.usage = self.use.usage
        self.controller.resync()

    def changed(self, key):
        self.due.append(key)
        self.controller.job_changed(key)

    def ask(self, **prometheus):
        self.world.settings = Settings.model_validate({"prometheus": prometheus})

    def run(self, name, node="small"):
        pod = self.made.pod(nodeName=node)
        pod["metadata"] |= {"name": name, "namespace": "team", "uid": f"uid-{name}"}
        pod["status"] = {"phase": "Running"}
        self.pods.apply("ADDED", pod)

    async def look(self, later=0.0):
        """Time passes, the controller works off, asks, works off; what it wrote."""
        self.now += later
        written = len(self.cluster.patches)
        await self.controller.work_off()
        await self.use.look(self.world.settings.prometheus)
        await self.controller.work_off()
        return self.cluster.patches[written:]

    @property
    def status(self):
        return self.world.jobs.find("team", "job").content["status"]

    @property
    def observed(self):
        return self.status["roles"][0].get("observed")

    @property
    def condition(self):
        found = condition_of(self.status, Condition.USAGE_OBSERVED)
        return found and (found["status"], found["reason"])

    def metric(self, name, **labels):
        registry = CollectorRegistry()
        registry.register(ActualState(self.use.actual, lambda: self.use.successful))
        place = {"namespace": "team", "llmjob": "job", "role": "main", **labels} if labels else {}
        return registry.get_sample_value(name, place)


@pytest.fixture
async def prometheus():
    found = Prometheus()
    application = web.Application()
    application.router.add_post("/{tail:.*}", found.handle)
    async with listening(application, "127.0.0.1", 0) as port:
        found.url = f"http://127.0.0.1:{port}"
        yield found
        if found.wait is not None:
            found.wait.set()


@pytest.fixture
def rig(made, prometheus):
    return Rig(made, prometheus)


async def test_what_was_in_use_is_written_beside_the_estimate(rig, prometheus):
    prometheus.uses(START + 1, 17000, 20000, 19000)
    await rig.look()
    assert rig.observed == {
        "pods": 1,
        "since": "2026-02-02T02:40:00Z",
        "kinds": [
            {
                "kind": "used",
                "sampledMax": "20000Mi",
                "source": "DCGM",
                "errorPercent": 12,  # of 18.8 GB expected
                "lastSample": "2026-02-02T02:40:03Z",
            }
        ],
    }
    assert rig.condition == ("True", "Observed")
    assert condition_of(rig.status, Condition.USAGE_OBSERVED)["message"] == (
        "at most 19.5 GiB in use on the fullest GPU; against the estimate +12 %"
    )
    assert rig.status["summary"]["used"] == "19.5 GiB"


async def test_metrics_say_the_highest_sample_its_age_and_the_error(rig, prometheus):
    prometheus.uses(START + 1, 17000, 20000, 19000)
    await rig.look()
    assert rig.metric("llmjob_actual_gpu_memory_bytes", kind="used") == 20000 * MIB
    assert rig.metric("llmjob_actual_gpu_memory_timestamp_seconds", kind="used") == START + 3
    ratio = (20000 * MIB - 18_800_000_000) / 18_800_000_000
    assert rig.metric("llmjob_estimate_error_ratio", kind="used") == pytest.approx(ratio)
    assert rig.metric("llmjob_usage_last_query_successful") == 1


async def test_two_questions_ask_for_all_jobs_and_their_windows_overlap(rig, made, prometheus):
    rig.world.jobs.apply("ADDED", made.job("other"))
    rig.ask(url=prometheus.url + "/prefix/", interval="1m30s", tenantHeader="X-Scope-OrgID: platform")
    await rig.look()
    assert [path for path, _, _ in prometheus.queries] == ["/prefix/api/v1/query"] * 2
    assert all(query.endswith("[180s]") for _, query, _ in prometheus.queries)
    assert {headers.get("X-Scope-OrgID") for _, _, headers in prometheus.queries} == {"platform"}
    rig.ask(url=prometheus.url, interval="1s")
    await rig.look()
    assert prometheus.queries[-1][1].endswith("[120s]")


async def test_a_token_is_read_anew_at_each_question(rig, prometheus, tmp_path):
    token = tmp_path / "token"
    rig.ask(url=prometheus.url, bearerTokenFile=str(token))
    for text in ("one", "two"):
        token.write_text(text)
        await rig.look()
        assert prometheus.queries[-1][2]["Authorization"] == f"Bearer {text}"
    token.unlink()
    await rig.look()
    assert rig.metric("llmjob_usage_last_query_successful") == 0


async def test_an_engine_that_fills_the_card_is_compared_by_its_need_only(made, prometheus):
    rig = Rig(made, prometheus, inference={"engine": "vLLM"})
    prometheus.uses(START + 1, 14000)
    await rig.look()
    assert "errorPercent" not in rig.observed["kinds"][0]
    assert rig.metric("llmjob_estimate_error_ratio", kind="used") is None
    assert "estimate" not in condition_of(rig.status, Condition.USAGE_OBSERVED)["message"]


BROKEN = {
    "an error page": (502, "<html><body>Bad Gateway</body></html>"),
    "a page of something else": (200, "<html>Log in</html>"),
    "no right": (401, "Unauthorized"),
    "JSON of another shape": (200, "[]"),
    "half an answer": (200, '{"status":"success","data":{"resultType":"matrix","result":[{"met'),
    "another result": (200, '{"status":"success","data":{"resultType":"vector","result":[]}}'),
    "an error": (422, '{"status":"error","errorType":"execution","error":"too many samples"}'),
}


@pytest.mark.parametrize("broken", list(BROKEN))
async def test_whatever_else_answers_the_last_value_stays_with_its_age(rig, prometheus, caplog, broken):
    caplog.set_level(logging.INFO)
    prometheus.uses(START + 1, 20000)
    await rig.look()
    before = copy.deepcopy(rig.status)
    prometheus.status, prometheus.text = BROKEN[broken]
    assert await rig.look(later=60) == []
    assert await rig.look(later=60) == []
    assert rig.status == before
    assert rig.metric("llmjob_actual_gpu_memory_bytes", kind="used") == 20000 * MIB
    assert rig.metric("llmjob_actual_gpu_memory_timestamp_seconds", kind="used") == START + 1
    assert rig.metric("llmjob_usage_last_query_successful") == 0
    prometheus.text = None
    await rig.look(later=60)
    assert rig.metric("llmjob_usage_last_query_successful") == 1
    said = [record.getMessage() for record in caplog.records if record.name == "llmjob.runtime.usage.actual"]
    assert len(said) == 2
    assert said[0].startswith("actual use is not known for the moment, the last values stay: ")
    assert said[1] == "Prometheus answers again"


async def test_a_prometheus_that_is_away_is_said(rig):
    rig.ask(url="http://127.0.0.1:9")
    await rig.look()
    assert rig.metric("llmjob_usage_last_query_successful") == 0
    assert rig.condition == ("False", "NotObservedYet")
    assert rig.observed is None


@pytest.mark.parametrize("lies", [("NaN",), ("-5",), ("+Inf", "-Inf"), ("0",), ()])
async def test_what_cannot_be_true_is_never_a_use(rig, prometheus, lies):
    prometheus.uses(START + 1, *lies)
    await rig.look()
    assert rig.observed is None
    assert rig.metric("llmjob_actual_gpu_memory_bytes", kind="used") is None


async def test_a_lie_among_true_samples_is_left_out(rig, prometheus):
    prometheus.uses(START + 1, 20000, "+Inf", "NaN", 15000)
    await rig.look()
    assert rig.observed["kinds"][0]["sampledMax"] == "20000Mi"


async def test_a_prometheus_that_hangs_keeps_nobody_waiting(rig, prometheus, made):
    prometheus.wait = asyncio.Event()
    await rig.controller.work_off()
    looking = asyncio.ensure_future(rig.use.look(rig.world.settings.prometheus))
    async with asyncio.timeout(5):
        while not prometheus.queries:  # noqa: ASYNC110, the rig tells nobody
            await asyncio.sleep(0.01)
        rig.world.jobs.apply("ADDED", made.job("other"))
        rig.controller.job_changed(("team", "other"))
        await rig.controller.work_off()
    assert rig.world.jobs.find("team", "other").content["status"]["roles"]
    assert not looking.done()
    looking.cancel()


async def test_without_an_address_nobody_is_asked_and_there_is_no_condition(rig, prometheus):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    rig.ask()
    await rig.controller.work_off()
    assert rig.condition is None
    assert rig.observed["kinds"][0]["sampledMax"] == "20000Mi"
    asked = len(prometheus.queries)
    running = asyncio.ensure_future(rig.use.run())
    await asyncio.sleep(0.05)
    running.cancel()
    assert len(prometheus.queries) == asked
    assert rig.metric("llmjob_usage_last_query_successful") is None


async def test_an_address_that_is_set_later_is_asked_at_once(rig, prometheus):
    rig.ask(interval="10m")
    running = asyncio.ensure_future(rig.use.run())
    await asyncio.sleep(0)
    rig.ask(url=prometheus.url, interval="10m")
    rig.use.settings_changed()
    async with asyncio.timeout(5):
        while len(prometheus.queries) < 2:  # noqa: ASYNC110, the rig tells nobody
            await asyncio.sleep(0.01)
    running.cancel()


async def test_it_asks_again_at_each_interval(rig, prometheus):
    rig.world.settings = Settings.model_construct(
        prometheus=rig.world.settings.prometheus.model_copy(update={"interval": 0.01})
    )
    running = asyncio.ensure_future(rig.use.run())
    async with asyncio.timeout(5):
        while len(prometheus.queries) < 6:  # noqa: ASYNC110, the rig tells nobody
            await asyncio.sleep(0.01)
    running.cancel()


async def test_a_restart_keeps_the_values_while_prometheus_is_away(rig, prometheus):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    before = copy.deepcopy(rig.status)
    prometheus.status, prometheus.text = 503, "away"
    rig.begin()
    assert await rig.look(later=60) == []
    assert rig.status == before
    assert rig.metric("llmjob_actual_gpu_memory_bytes", kind="used") == 20000 * MIB
    assert rig.metric("llmjob_actual_gpu_memory_timestamp_seconds", kind="used") == START + 1


async def test_use_is_written_on_a_change_of_two_percent_and_at_most_each_ten_minutes(rig, prometheus):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    prometheus.uses(START + 300, 25000)
    assert await rig.look(later=300) == []
    prometheus.uses(START + 601, 20000)
    [patch] = await rig.look(later=301)
    assert patch["status"]["roles"][0]["observed"]["kinds"][0]["sampledMax"] == "25000Mi"
    prometheus.uses(START + 1300, 25400)
    assert await rig.look(later=699) == []
    rig.ask(url=prometheus.url, statusChangePercent=1)
    assert len(await rig.look(later=1)) == 1


async def test_another_spec_begins_anew(rig, prometheus, made):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    changed = {**made.job(parameters="8B", generation=2), "status": rig.status}
    rig.now += 60
    rig.controller.job_changed(rig.world.jobs.apply("MODIFIED", changed))
    await rig.controller.work_off()
    assert rig.observed is None
    prometheus.uses(START + 50, 20000, *[100] * 9, 15000)
    await rig.look()
    assert rig.observed["kinds"][0]["sampledMax"] == "15000Mi"


async def test_a_card_that_two_pods_have_is_nobodys(rig, prometheus):
    rig.run("other")
    prometheus.uses(START + 1, 20000, 20000)
    theirs = copy.deepcopy(prometheus.gpus[0])
    theirs["metric"]["exported_pod"] = "other"
    prometheus.gpus.append(theirs)
    await rig.look()
    assert rig.observed is None


async def test_pods_on_a_shared_class_say_why_nothing_is_observed(rig, prometheus, made):
    node = made.node("small", made.t4)
    node["metadata"]["labels"] |= {"nvidia.com/gpu.sharing-strategy": "time-slicing", "nvidia.com/gpu.replicas": "4"}
    rig.world.nodes.apply("MODIFIED", node)
    prometheus.uses(START + 1, 14000)
    await rig.look()
    assert rig.condition == ("Unknown", "SharedGPU")
    assert rig.observed is None


async def test_a_pod_that_came_back_under_its_name_is_not_charged_with_its_earlier_life(rig, prometheus, made):
    pod = made.pod(nodeName="small")
    pod["metadata"] |= {"name": "pod", "namespace": "team", "uid": "second"}
    pod["status"] = {"phase": "Running", "startTime": "2026-02-02T02:40:10Z"}
    rig.pods.apply("ADDED", pod)
    prometheus.uses(START + 1, 20000, *[0] * 8, 5000)
    await rig.look()
    assert rig.observed["kinds"][0]["sampledMax"] == "5000Mi"


async def test_the_series_of_a_deleted_job_disappear(rig, prometheus, made):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    rig.world.jobs.apply("DELETED", made.job())
    assert rig.metric("llmjob_actual_gpu_memory_bytes", kind="used") is None


async def test_pods_of_no_known_role_change_nothing(rig, prometheus, made):
    pod = made.pod(nodeName="small")
    pod["metadata"] |= {"name": "pod", "namespace": "team", "uid": "u"}
    pod["metadata"]["labels"]["llmjob.dev/role"] = "absent"
    pod["status"] = {"phase": "Running"}
    rig.pods.apply("MODIFIED", pod)
    prometheus.uses(START + 1, 20000)
    await rig.look()
    assert rig.observed is None


async def test_a_status_that_somebody_spoiled_is_begun_anew(rig, prometheus):
    prometheus.uses(START + 1, 20000)
    await rig.look()
    rig.status["roles"][0]["observed"]["kinds"][0]["sampledMax"] = "much"
    rig.begin()
    await rig.controller.work_off()
    assert rig.observed is None
