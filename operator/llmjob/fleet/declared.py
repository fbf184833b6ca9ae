"""Fleets that people write down: a Node list, or classes `{name, memory, gpusPerNode, nodes, labels, taints}`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from llmjob.fleet import products
from llmjob.fleet.dialects import STEERING_KEYS
from llmjob.fleet.fleet import Fleet, Pool, offer_of
from llmjob.fleet.gpu_argument import named_class, parse
from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.node import mapping, sequence
from llmjob.fleet.projection import NodeProjection, NodeShape, project
from llmjob.fleet.scheduling import Taint
from llmjob.quantity import GiB, MiB, parse_quantity

_FIELDS: Final = ("name", "memory", "gpusPerNode", "nodes", "labels", "taints")
_SMALLEST: Final = 64 * MiB
_LARGEST: Final = 4096 * GiB
_SHOWN: Final = 40
_COUNTS: Final = {"gpusPerNode": (1, 1024), "nodes": (0, 1_000_000)}
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def read_fleet(documents: Iterable[object]) -> Fleet:
    """The fleet of a file's documents, parsed already: Nodes, Lists of them, classes (a list, or under `classes`).

    Raises:
        ValueError: naming the field and what it should be.
    """
    nodes: list[NodeProjection] = []
    pools: list[Pool] = []
    for document in documents:
        if isinstance(document, Mapping) and _is_list(document):
            for index, item in enumerate(sequence(document.get("items"))):
                nodes += _node(item, f"items[{index}]")
        elif isinstance(document, Mapping) and document.get("kind") == "Node":
            nodes += _node(document, "Node")
        elif isinstance(document, Mapping) and "name" in document and "kind" not in document:
            pools.append(_pool(document, "class"))
        else:
            classes = document.get("classes") if isinstance(document, Mapping) else document
            if not isinstance(classes, list):
                raise ValueError("a fleet is a Node list as kubectl get nodes -o yaml prints it, or a list of classes")
            pools += read_pools(classes, "classes")
    return Fleet.of(nodes, pools=pools)


def read_pools(classes: object, path: str = "inventory.pools") -> tuple[Pool, ...]:
    """Declared classes, as settings and fleet files write them; `path` is for messages.

    Raises:
        ValueError: naming the field and what it should be.
    """
    if not isinstance(classes, list):
        raise ValueError(f"{path}: must be a list of classes {{{', '.join(_FIELDS)}}}")  # noqa: TRY004, one error type
    return tuple(_pool(entry, f"{path}[{index}]") for index, entry in enumerate(classes))


def unlikely_memory(classes: Iterable[GPUClass]) -> Iterator[str]:
    """A warning for each class whose memory is no card's of its name; it counts as it is written."""
    for gpu_class in classes:
        cards = products.find(gpu_class.product or gpu_class.name)
        reported = gpu_class.reported
        if reported is None or gpu_class.mig_profile or not cards:
            continue
        if not any(card.is_sound(size) for card in cards for size in (reported.lower, reported.upper)):
            yield f"{gpu_class.name}: no card of this name reports {reported.upper / GiB:.1f} GiB; it counts as written"


def _is_list(document: Mapping[object, object]) -> bool:
    kind = document.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list)


def _node(item: object, path: str) -> list[NodeProjection]:
    """A node that offers GPUs, or nothing for one that offers none; a NodeList's items have no kind of their own."""
    fields = mapping(item)
    kind = fields.get("kind", "Node")
    if not fields or kind != "Node":
        found = f"a {str(kind)[:_SHOWN]}" if fields else repr(item)[:_SHOWN]
        raise ValueError(f"{path}: must be a Node, not {found}")
    name = mapping(fields.get("metadata")).get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{path}.metadata.name: is missing; a Node has one, as kubectl get nodes -o yaml prints it")
    for field in ("spec", "status"):
        if not isinstance(fields.get(field), Mapping | None):
            raise ValueError(f"{path}.{field}: must be a mapping, not {str(fields[field])[:_SHOWN]!r}")  # noqa: TRY004, one error type
    projection = project(fields)
    return [projection] if projection else []


def _pool(entry: object, path: str) -> Pool:
    fields = mapping(entry)
    if not fields:
        raise ValueError(f"{path}: must be a mapping with a name, such as {{name: nvidia-l4, gpusPerNode: 1}}")
    if unknown := [key for key in fields if key not in _FIELDS]:
        raise ValueError(f"{path}.{unknown[0]}: unknown field; a class has {', '.join(_FIELDS)}")
    gpu_class = _class(fields, path)
    labels = _labels(fields.get("labels"), f"{path}.labels")
    if count := _whole(fields, "gpusPerNode", path):
        gpu_class = replace(gpu_class, gpus_per_node=count)
    gpu_class = replace(gpu_class, steering_keys=_steering(labels))
    shape = NodeShape(
        (offer_of(gpu_class),), _taints(fields.get("taints"), f"{path}.taints"), tuple(sorted(labels.items()))
    )
    return Pool(shape=shape, nodes=_whole(fields, "nodes", path) or 0)


def _class(fields: Mapping[str, object], path: str) -> GPUClass:
    name = fields.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{path}.name: must name a GPU, such as l4 or nvidia-a100-80gb")
    stated = fields.get("memory")
    if stated is None:
        try:
            return parse(name)
        except ValueError as error:
            raise ValueError(f"{path}.name: {name}: {error}; or state its memory") from error
    try:
        memory = parse_quantity(stated) if isinstance(stated, str | int) and not isinstance(stated, bool) else 0
    except ValueError as error:
        raise ValueError(f"{path}.memory: {error}") from error
    if not _SMALLEST <= memory <= _LARGEST:
        raise ValueError(f"{path}.memory: {stated!r} is no GPU's memory; write what its driver reports, such as 24Gi")
    found = named_class(name, memory)
    if found is None:
        raise ValueError(f"{path}.name: {name}: comes in several sizes and none reports {stated}")
    return found


def _steering(labels: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """A pool is steered by the labels it is declared to carry, as a live node would be."""
    keys = [key for dialect in STEERING_KEYS for key in dialect]
    return {key: frozenset({labels[key]}) for key in keys if key in labels}


def _whole(fields: Mapping[str, object], key: str, path: str) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    least, most = _COUNTS[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{path}.{key}: must be a whole number from {least} to {most}, not {value!r}")
    return value


def _labels(value: object, path: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(text, str) for key, text in value.items()
    ):
        raise ValueError(f"{path}: must map label keys to strings (quote numbers and true/false)")
    return dict(value)


def _taints(value: object, path: str) -> tuple[Taint, ...]:
    if value is None:
        return ()
    taints = []
    for index, item in enumerate(sequence(value)):
        taint = mapping(item)
        if not isinstance(taint.get("key"), str) or taint.get("effect") not in _EFFECTS:
            raise ValueError(f"{path}[{index}]: must have a key and an effect ({', '.join(_EFFECTS)})")
        taints.append(Taint(str(taint["key"]), str(taint.get("value") or ""), str(taint["effect"])))
    if not isinstance(value, list):
        raise ValueError(f"{path}: must be a list of taints")  # noqa: TRY004, one error type
    return tuple(taints)
