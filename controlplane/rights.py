"""What ServiceAccounts may do by the rendered rules, and what they did by the API server's audit log."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

ANY: Final = "*"
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource ("llmjobs/status" where it is a subresource), by name and namespace or on any."""

    verb: str
    group: str
    resource: str
    name: str = ANY
    namespace: str = ANY

    def covers(self, use: "Right") -> bool:
        """Whether a request with that verb, resource, name and namespace is allowed by it."""
        return (
            (self.verb, self.group, self.resource) == (use.verb, use.group, use.resource)
            and self.name in {ANY, use.name}
            and self.namespace in {ANY, use.namespace}
        )


def granted(objects: Iterable[Object], namespace: str, account: str) -> frozenset[Right]:
    """Every right that the Roles and ClusterRoles among the objects give to a ServiceAccount by their bindings."""
    known = list(objects)
    roles = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]): item for item in known}
    found: set[Right] = set()
    for item in known:
        subjects = [(s["kind"], s.get("namespace"), s["name"]) for s in item.get("subjects", [])]
        if ("ServiceAccount", namespace, account) not in subjects:
            continue
        where = item["metadata"].get("namespace")
        kind, name = item["roleRef"]["kind"], item["roleRef"]["name"]
        role = roles[kind, where if kind == "Role" else None, name]
        for rule in role["rules"]:
            found.update(_rights(rule, where or ANY))
    return frozenset(found)


def _rights(rule: Object, namespace: str) -> Iterator[Right]:
    for verb in rule["verbs"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [ANY]):
                    yield Right(verb, group, resource, name, namespace)


@dataclass(frozen=True, slots=True)
class Record:
    """What an account did: the rights that it used, and requests that it was refused."""

    used: frozenset[Right]
    forbidden: frozenset[Right]

    @classmethod
    def of(cls, log: Iterable[str], namespace: str, account: str) -> "Record":
        """Read the lines of an audit log. A request outside every resource is a right on its path."""
        user = f"system:serviceaccount:{namespace}:{account}"
        used: set[Right] = set()
        forbidden: set[Right] = set()
        for line in log:
            entry = json.loads(line)
            if entry["user"]["username"] != user:
                continue
            right = _used(entry)
            refused = entry.get("responseStatus", {}).get("code") == HTTPStatus.FORBIDDEN
            (forbidden if refused else used).add(right)
        return cls(frozenset(used), frozenset(forbidden))


def _used(entry: Object) -> Right:
    about = entry.get("objectRef")
    if about is None:
        return Right(entry["verb"], "", entry["requestURI"].partition("?")[0])
    resource = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
    return Right(
        entry["verb"], about.get("apiGroup", ""), resource, about.get("name", ""), about.get("namespace", "")
    )  # fmt: skip


def without_grant(used: Iterable[Right], rights: Iterable[Right]) -> list[Right]:
    """Uses that no right covers: allowed by something that the chart did not give."""
    known = list(rights)
    return sorted(use for use in used if not any(right.covers(use) for right in known))


def without_use(used: Iterable[Right], rights: Iterable[Right]) -> list[Right]:
    """Rights that nobody used."""
    known = list(used)
    return sorted(right for right in rights if not any(right.covers(use) for use in known))
