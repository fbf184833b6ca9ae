"""What a container is told of its pod: fields, and an environment in which they are expanded."""

import re
from collections.abc import Mapping
from typing import Any, Final

from controlplane.kubelet.api import Object
from controlplane.quantity import bytes_of

_REFERENCE: Final = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class Unsupported(Exception):
    """A pod asks for what the node agent does not do; the message names the field."""


def field_value(pod: Object, reference: Mapping[str, Any]) -> str:
    """The value of a fieldRef."""
    path = str(reference["fieldPath"])
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str(pod["metadata"].get(subscript[1], {}).get(subscript[2], ""))
    found: Any = pod
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise Unsupported(f"fieldRef {path}: the pod has no such field")
        found = found[part]
    return str(found)


def environment(pod: Object, container: Object, given: Mapping[str, str]) -> dict[str, str]:
    """A container's environment: what the runtime gives, then its own `env`, each seeing those before it."""
    found = dict(given)
    for item in container.get("env", []):
        source = item.get("valueFrom", {})
        if "fieldRef" in source:
            found[item["name"]] = field_value(pod, source["fieldRef"])
        elif "resourceFieldRef" in source:
            found[item["name"]] = _resource(container, source["resourceFieldRef"])
        elif source:
            raise Unsupported(f"env {item['name']}: valueFrom.{next(iter(source))}")
        else:
            found[item["name"]] = expanded(item.get("value", ""), found)
    return found


def _resource(container: Object, reference: Mapping[str, Any]) -> str:
    kind, _, name = str(reference["resource"]).partition(".")
    amount = container.get("resources", {}).get(kind, {}).get(name)
    if name != "memory" or amount is None:
        raise Unsupported(f"resourceFieldRef {reference['resource']}")
    divisor = bytes_of(str(reference.get("divisor", "1"))) or 1  # the API server writes 0 for 1
    return str(-(-bytes_of(amount) // divisor))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) replaced where NAME is known, $$ by $; everything else stays, as Kubernetes has it."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)
