"""Reports made by hand; figures in GiB, times in hours before now."""

from llmjob.estimator.interval import Interval
from llmjob.observation.observed import Kind
from llmjob.observation.report import Actual, ClassMemory, Point, Role, Source, make_report
from llmjob.quantity import GiB

NOW, HOUR, DAY = 1_800_000_000.0, 3600.0, 86400.0


def actual(peak, *, kind=Kind.USED, source=Source.STATUS, ago=0.0, course=()):
    points = tuple(
        Point(NOW - (len(course) - 1 - at) * HOUR, None if value is None else round(value * GiB))
        for at, value in enumerate(course)
    )
    last = NOW - ago * HOUR
    return Actual(kind=kind, peak=round(peak * GiB), source=source, since=last - DAY, last=last, course=points)


def role(peak=None, *, predicted=(8, 10, 12), usable=20, gpus=1, **more):
    given = {
        "namespace": "team",
        "name": "job",
        "role": "main",
        "gpu_class": "nvidia-x",
        "usable": usable * GiB if usable else None,
        "runs": (("nvidia-x", gpus),) if gpus else (),
        "predicted": Interval(*(bound * GiB for bound in predicted)) if predicted else None,
        "actual": peak if isinstance(peak, Actual) else actual(peak) if peak is not None else None,
    }
    return Role(**{**given, **more})


def report(*roles, namespace="team", window=DAY, source=Source.STATUS, notes=()):
    classes = [ClassMemory(name="nvidia-x", usable=20 * GiB, gpus=8)]
    return make_report(roles, classes, namespace=namespace, at=NOW, window=window, source=source, notes=notes)
