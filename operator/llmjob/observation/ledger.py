"""What was observed of every role that runs: kept while its job stays what it is, and what of it is worth telling."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from llmjob.observation.engine_pool import EnginePool
from llmjob.observation.gpu_use import GPUUse, PodKey
from llmjob.observation.observed import Observed
from llmjob.observation.pod_use import PodUse

# Namespace, job and role.
RoleKey = tuple[str, str, str]


class State(StrEnum):
    """Whether a role's use is observed, and if not, why; the words are the reasons of a condition."""

    OBSERVED = "Observed"
    NOT_YET = "NotObservedYet"
    SHARED = "SharedGPU"
    NO_SAMPLES = "NoSamples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What is asked of a role: the hash of its input, and its KV cache in bytes per token, None where not linear."""

    input_hash: str
    bytes_per_token: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPod:
    """A running pod of a role; `shared` where its GPU is handed to several pods. `started` in Unix seconds."""

    uid: str
    namespace: str
    name: str
    role: RoleKey
    started: float | None
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a change is worth telling: by that share of what was told, and so many seconds after the last telling."""

    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Account:
    """One role's: what is observed, and what of it was told and when (Unix seconds).

    `state` is None while nobody has looked since the process began. `fills` is set where an engine with a pool was
    seen. `quiet` is since when its running pods lack a first sample.
    """

    input_hash: str
    observed: Observed
    told: Observed
    state: State | None = State.NOT_YET
    fills: bool = False
    told_at: float | None = None
    quiet: float | None = None


class Ledger:
    """The accounts of all roles."""

    def __init__(self) -> None:
        self._accounts: dict[RoleKey, Account] = {}
        self._pods: dict[tuple[str, str], PodUse] = {}

    def find(self, key: RoleKey, input_hash: str) -> Account | None:
        """The account of a role, where it is of this input."""
        account = self._accounts.get(key)
        return account if account is not None and account.input_hash == input_hash else None

    def open(self, key: RoleKey, input_hash: str, told: Observed | None, now: float) -> Account:
        """The account of a role; a new one begins with what was told of this input before, or now with nothing."""
        account = self.find(key, input_hash)
        if account is None:
            if told is None:
                begun = Observed(since=now)
                account = Account(input_hash, begun, begun)
            else:
                account = Account(input_hash, told, told, state=None)
            self._accounts[key] = account
        return account

    def take(
        self,
        roles: Mapping[RoleKey, Role],
        pods: Iterable[RunningPod],
        uses: Mapping[PodKey, list[GPUUse]],
        pools: Mapping[PodKey, EnginePool],
        *,
        thresholds: Thresholds,
        now: float,
    ) -> set[RoleKey]:
        """Enter what was seen of the running pods (nothing, where it could not be asked); what is worth telling.

        Accounts of roles that are no more are closed.
        """
        running: dict[RoleKey, list[RunningPod]] = {}
        for pod in pods:
            running.setdefault(pod.role, []).append(pod)
        before, self._pods = self._pods, {}
        accounts, self._accounts = self._accounts, {}
        due = set()
        for key, account in accounts.items():
            role = roles.get(key)
            if role is None:
                continue
            entered, there = account, running.get(key, [])
            if role.input_hash == account.input_hash:
                for pod in there:
                    entered = self._enter(entered, pod, before, uses, pools, role)
            entered = _looked_at(entered, there, now, thresholds)
            worth = _worth_telling(account.state, entered, now, thresholds)
            if worth:
                entered = replace(entered, told=entered.observed, told_at=now)
            if worth or account.state is None:
                due.add(key)
            self._accounts[key] = entered
        return due

    def _enter(
        self,
        account: Account,
        pod: RunningPod,
        before: Mapping[tuple[str, str], PodUse],
        uses: Mapping[PodKey, list[GPUUse]],
        pools: Mapping[PodKey, EnginePool],
        role: Role,
    ) -> Account:
        mark, place = (pod.uid, account.input_hash), (pod.namespace, pod.name)
        since = max(account.observed.since, pod.started or 0.0)
        seen = () if pod.shared else uses.get(place, ())
        found = before.get(mark, PodUse()).and_then(seen, pools.get(place), since)
        self._pods[mark] = found
        observed = account.observed.and_then(found.readings(role.bytes_per_token))
        return replace(account, observed=observed, fills=account.fills or found.fills)


def _looked_at(account: Account, pods: list[RunningPod], now: float, thresholds: Thresholds) -> Account:
    """The state of an account. A silence is said once it lasts: exporters are scraped later than a pod starts."""
    observed = replace(account.observed, pods=len(pods))
    quiet = None
    if observed.readings:
        silent = bool(pods) and now - observed.last > thresholds.seconds
        state = State.NO_SAMPLES if silent else State.OBSERVED
    elif pods and all(pod.shared for pod in pods):
        state = State.SHARED
    else:
        quiet = (now if account.quiet is None else account.quiet) if pods else None
        silent = quiet is not None and now - quiet > thresholds.seconds
        state = State.NO_SAMPLES if silent else State.NOT_YET
    return replace(account, observed=observed, state=state, quiet=quiet)


def _worth_telling(before: State | None, account: Account, now: float, thresholds: Thresholds) -> bool:
    """A new state; or, not too often, readings that moved, and the last of them once no more come."""
    if before is not None and account.state is not before:
        return True
    if account.told_at is not None and now - account.told_at < thresholds.seconds:
        return False
    observed, told = account.observed, account.told
    ended = observed.last > told.last and now - observed.last > thresholds.seconds
    return ended or observed.differs(told, thresholds.share)
