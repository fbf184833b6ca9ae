"""What is counted of pods that ran out of GPU memory, and what is remembered of it."""

import pytest

from llmjob.runtime.exhaustion import Exhaustions
from llmjob.runtime.pod_view import PodView

TEXT = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
JOB = ("team", "job")


def ended(finished="2026-01-01T00:05:00Z", message=TEXT, code=1):
    return {
        "terminated": {
            "exitCode": code, "reason": "Error", "message": message, "finishedAt": finished,
            "startedAt": "2026-01-01T00:00:00Z",
        }
    }  # fmt: skip


def container(restarts=0, state=None, last=None, name="main"):
    return {"name": name, "restartCount": restarts, "state": state or {}, "lastState": last or {}}


WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}
RUNNING = {"running": {"startedAt": "2026-01-01T00:06:00Z"}}


def pod_of(made, *statuses, name="pod", uid=None, job="job", role=None, node="small"):
    pod = made.pod(job, nodeName=node)
    pod["metadata"] |= {"name": name, "namespace": "team", "uid": uid or f"uid-{name}"}
    if role:
        pod["metadata"]["labels"]["llmjob.dev/role"] = role
    pod["status"] = {"phase": "Running", "containerStatuses": list(statuses)}
    return pod


class Rig:
    """A view of pods, and who follows it."""

    def __init__(self, made, *listed, jobs=("job",)):
        self.made, self.told = made, []
        self.pods, self.world = PodView(), made.world(jobs=tuple(made.job(name) for name in jobs))
        self.found = Exhaustions(self.world, self.pods, self.told.append)
        self.list(*listed)

    def list(self, *pods):
        self.pods.begin()
        self.found.pods_changed(self.pods.replace(self.pods.read(pods)))

    def event(self, pod, kind="MODIFIED"):
        self.found.pods_changed({self.pods.apply(kind, pod)})

    def pod(self, *statuses, **more):
        return pod_of(self.made, *statuses, **more)

    @property
    def count(self):
        return self.found.count(JOB, "main")


def test_one_end_counts_once_however_often_it_is_shown(made):
    rig = Rig(made)
    assert rig.count == 0
    shown = [
        rig.pod(container(state=ended())),
        rig.pod(container(state=WAITING, last=ended())),
        rig.pod(container(1, RUNNING, ended())),
    ]
    for pod in shown:
        rig.event(pod)
        rig.event(pod)
        rig.list(pod)
    assert (rig.count, rig.told) == (1, [JOB])


def test_the_next_run_that_ends_so_counts_again(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended())))
    rig.event(rig.pod(container(1, ended("2026-01-01T00:10:00Z"), ended())))
    assert rig.count == 2
    assert rig.found.newest(JOB).run.number == 1


def test_what_the_first_list_shows_is_known_but_not_counted_and_what_comes_after_is(made):
    rig = Rig(made, pod_of(made, container(state=ended())))
    assert (rig.count, rig.told) == (0, [JOB])
    assert rig.found.newest(JOB).pod == "pod"
    rig.list(rig.pod(container(state=WAITING, last=ended())))
    assert rig.count == 0
    rig.event(rig.pod(container(state=ended()), name="other"))
    assert rig.count == 1


def test_each_container_counts_for_itself_and_a_pod_of_the_same_name_is_another(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended()), container(state=ended(), name="second")))
    assert rig.count == 2
    rig.event(rig.pod(container(state=ended()), uid="another"))
    assert rig.count == 3


def test_a_pod_that_is_gone_leaves_nothing_but_the_count_and_the_newest_end(made):
    rig = Rig(made)
    pod = rig.pod(container(state=ended()))
    rig.event(pod)
    rig.event(pod, "DELETED")
    assert (rig.count, rig.found.newest(JOB).pod, rig.found._seen) == (1, "pod", {})


@pytest.mark.parametrize(
    "end",
    [
        ended(message=None), ended(message="Killed"), ended(code=0),
        {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": TEXT}},
    ],
    ids=["no message", "another cause", "completed", "host memory"],
)  # fmt: skip
def test_other_ends_are_nothing(made, end):
    rig = Rig(made)
    rig.event(rig.pod(container(state=end)))
    assert (rig.count, rig.told, rig.found.newest(JOB)) == (0, [], None)


def test_roles_count_for_themselves(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended()), role="judge"))
    assert (rig.count, rig.found.count(JOB, "judge")) == (0, 1)


def test_ends_before_there_is_such_a_job_are_not_counted(made):
    rig = Rig(made, jobs=())
    rig.event(rig.pod(container(state=ended())))
    rig.world.jobs.apply("ADDED", made.job())
    assert rig.count == 0


def test_the_newest_is_the_one_that_ended_last_not_the_one_seen_last(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended("2026-01-01T00:09:00Z")), name="late"))
    rig.event(rig.pod(container(state=ended("2026-01-01T00:08:00Z")), name="early"))
    assert rig.found.newest(JOB).pod == "late"


def test_the_class_is_that_of_the_pods_node_and_empty_where_that_is_not_known(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended())))
    assert rig.found.newest(JOB).gpu_class == "nvidia-t4"
    rig.event(rig.pod(container(state=ended()), name="b", node="gone"))
    assert rig.found.newest(JOB).gpu_class == ""


def test_of_a_job_that_is_gone_nothing_is_left(made):
    rig = Rig(made)
    rig.event(rig.pod(container(state=ended())))
    rig.found.forget(JOB)
    assert (rig.count, rig.found.newest(JOB)) == (0, None)


def test_pods_of_a_job_are_its_own(made):
    rig = Rig(made)
    rig.event(rig.pod(name="a"))
    rig.event(rig.pod(name="b", job="other"))
    assert [pod.name for pod in rig.found.pods_of(JOB)] == ["a"]
