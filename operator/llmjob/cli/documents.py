"""From documents to requests: LLMJobs for estimate and check, and for check the pods that name one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from llmjob.api.reader import BadInput, read_llmjob, suggestion
from llmjob.cli.bad import Bad, bad_input
from llmjob.cli.files import Document
from llmjob.estimator.result import Unknown
from llmjob.names import API_VERSION, JOB_LABEL, KIND, Reason
from llmjob.workloads.request import AnyRequest

if TYPE_CHECKING:
    from llmjob.api.llmjob import LLMJob


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that names a job."""

    content: Mapping[str, object]


FindJob = Callable[[str | None, str], "LLMJob | None"]


def read_documents(
    documents: Iterable[Document], *, pods: bool, find_job: FindJob | None = None
) -> list[AnyRequest | Bad]:
    """The requests of all documents in input order; what is no LLMJob (or, with `pods`, a labelled pod) is skipped.

    `find_job(namespace, name)` looks up a pod's job where the input lacks it, in the cluster.
    """
    read: list[LLMJob | Pod | Bad] = []
    for document in documents:
        item = _read(document, pods=pods)
        if item is not None:
            read.append(item)
    jobs = {_key(item): item for item in read if not isinstance(item, (Pod, Bad))}
    requests: list[AnyRequest | Bad] = []
    for item in read:
        if isinstance(item, Bad):
            requests.append(item)
        elif isinstance(item, Pod):
            requests.extend(_pod_requests(item, jobs, find_job))
        else:
            from llmjob.workloads.llmjob import requests_from_llmjob  # noqa: PLC0415, needs pydantic

            requests.extend(requests_from_llmjob(item))
    return requests


def _key(job: "LLMJob") -> tuple[str, str]:
    return job.metadata.namespace or "default", job.metadata.name


def _pod_requests(pod: Pod, jobs: Mapping[tuple[str, str], "LLMJob"], find_job: FindJob | None) -> list[AnyRequest]:
    from llmjob.workloads.pod import request_from_pod  # noqa: PLC0415

    metadata = pod.content.get("metadata")
    namespace, name, job_name = None, "", ""
    if isinstance(metadata, Mapping):
        namespace = metadata.get("namespace")
        name = str(metadata.get("name") or metadata.get("generateName") or "")
        labels = metadata.get("labels")
        job_name = str(labels.get(JOB_LABEL, "")) if isinstance(labels, Mapping) else ""
    job = jobs.get((str(namespace or "default"), job_name))
    if job is None and find_job is not None:
        job = find_job(str(namespace) if namespace else None, job_name)
    request = request_from_pod(pod.content, job, missing=job is None)
    if request is None:
        click.echo(f"skipped: pod {name} asks for no GPU", err=True)
        return []
    return [request]


def _read(document: Document, *, pods: bool) -> "LLMJob | Pod | Bad | None":
    if document.error is not None:
        return Bad(None, document.where, _unknowns(document.error))
    content = document.content
    if not isinstance(content, Mapping):
        message = (
            f"not a Kubernetes object but {type(content).__name__}; a manifest is a mapping with kind and metadata"
        )
        return bad_input("", message, document.where)
    if content.get("kind") == KIND and str(content.get("apiVersion", "")).startswith(API_VERSION.split("/")[0]):
        return _read_llmjob(content)
    if pods and content.get("kind") == "Pod" and _job_label(content):
        return Pod(content)
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    click.echo(f"skipped: {content.get('kind', 'a document without kind')} {name or ''} in {document.where}", err=True)
    return None


def _job_label(content: Mapping[str, object]) -> object:
    metadata = content.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return labels.get(JOB_LABEL) if isinstance(labels, Mapping) else None


def _read_llmjob(content: Mapping[str, object]) -> "LLMJob | Bad":
    metadata = content.get("metadata")
    identity = metadata if isinstance(metadata, Mapping) else {}
    namespace, name = identity.get("namespace"), identity.get("name")
    names = (str(namespace) if namespace else None, str(name) if name else None)
    try:
        read = read_llmjob(content)
    except BadInput as error:
        return Bad(*names, _unknowns(error))
    if read.unknown_paths:
        return Bad(*names, tuple(_unknown_field(path) for path in read.unknown_paths))
    return read.job


def _unknowns(error: BadInput) -> tuple[Unknown, ...]:
    return tuple(Unknown(reason=Reason.BAD_INPUT, field=e.path, message=e.message) for e in error.errors)


def _unknown_field(path: str) -> Unknown:
    near = suggestion(path)
    message = f"unknown field{f'; did you mean {near}?' if near else ''}"
    return Unknown(reason=Reason.BAD_INPUT, field=path, message=message)
