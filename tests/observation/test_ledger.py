"""What is kept of every role, and when it is worth telling."""

from dataclasses import dataclass, field

import pytest

from llmjob.observation.engine_pool import EnginePool
from llmjob.observation.gpu_use import GPUUse
from llmjob.observation.ledger import Ledger, Role, RunningPod, State, Thresholds
from llmjob.observation.observed import Kind, Observed, Reading
from llmjob.observation.series import Sample

KEY = ("team", "job", "main")
MINUTES = 60.0


@dataclass
class Scene:
    """A ledger with one role, told the time by the test; ten minutes between two tellings, 2 %."""

    ledger: Ledger = field(default_factory=Ledger)
    input_hash: str = "h1"
    now: float = 1000.0
    pods: tuple[str, ...] = ("pod",)
    shared: bool = False
    started: float | None = 900.0

    def open(self, told=None):
        return self.ledger.open(KEY, self.input_hash, told, self.now)

    def see(self, *values, later=0.0, pool=None):
        """Samples of the moment, in bytes of one GPU of every pod; whether that is worth telling."""
        self.now += later
        uses = {("team", name): [GPUUse(("0",), "DCGM", (Sample(self.now, v),)) for v in values] for name in self.pods}
        running = [
            RunningPod(uid=name, namespace="team", name=name, role=KEY, started=self.started, shared=self.shared)
            for name in self.pods
        ]
        roles = {KEY: Role(input_hash=self.input_hash, bytes_per_token=10)}
        due = self.ledger.take(
            roles, running, uses if values else {}, {("team", name): pool for name in self.pods} if pool else {},
            thresholds=Thresholds(share=0.02, seconds=10 * MINUTES), now=self.now,
        )  # fmt: skip
        return due == {KEY}

    @property
    def account(self):
        found = self.ledger.find(KEY, self.input_hash)
        assert found is not None
        return found

    @property
    def highest(self):
        return self.account.observed.readings[Kind.USED].highest

    @property
    def told(self):
        return self.account.told.readings[Kind.USED].highest


@pytest.fixture
def scene():
    found = Scene()
    found.open()
    return found


def test_the_first_samples_are_told_at_once(scene):
    assert scene.account.state is State.NOT_YET
    assert scene.see(1000)
    assert (scene.account.state, scene.told, scene.account.told.pods) == (State.OBSERVED, 1000, 1)


def test_a_change_of_two_percent_is_told_after_ten_minutes_and_not_before(scene):
    scene.see(1000)
    assert not scene.see(1500, later=5 * MINUTES)
    assert (scene.highest, scene.told) == (1500, 1000)
    assert scene.see(1500, later=5 * MINUTES)
    assert scene.told == 1500


@pytest.mark.parametrize(("value", "told"), [(1019, False), (1020, True)])
def test_a_smaller_change_is_not_told(scene, value, told):
    scene.see(1000)
    assert scene.see(value, later=11 * MINUTES) is told


def test_the_highest_stays_when_use_falls(scene):
    scene.see(1000)
    assert not scene.see(10, later=11 * MINUTES)
    assert scene.highest == 1000


def test_without_samples_the_last_value_stays_with_its_age(scene):
    scene.see(1000)
    scene.see(1010, later=1 * MINUTES)
    sampled = scene.now
    assert not scene.see(later=9 * MINUTES)
    assert scene.account.state is State.OBSERVED
    assert scene.see(later=2 * MINUTES)
    assert scene.account.state is State.NO_SAMPLES
    assert scene.account.told.readings[Kind.USED] == Reading(1010, sampled, "DCGM")
    assert not scene.see(later=60 * MINUTES)
    assert scene.see(900, later=1 * MINUTES)
    assert scene.account.state is State.OBSERVED


def test_when_the_pods_are_gone_the_last_sample_is_told_once_and_it_stays_observed(scene):
    scene.see(1000)
    scene.see(1010, later=1 * MINUTES)
    sampled = scene.now
    scene.pods = ()
    assert scene.see(later=12 * MINUTES)
    assert (scene.account.state, scene.account.told.last, scene.account.told.pods) == (State.OBSERVED, sampled, 0)
    assert not scene.see(later=12 * MINUTES)


def test_pods_that_give_no_sample_for_ten_minutes_are_told_of(scene):
    scene.see()
    assert not scene.see(later=10 * MINUTES)
    assert scene.account.state is State.NOT_YET
    assert scene.see(later=1)
    assert scene.account.state is State.NO_SAMPLES


def test_a_silence_begins_with_the_pods(scene):
    scene.pods = ()
    scene.see(later=60 * MINUTES)
    scene.pods = ("pod",)
    assert not scene.see(later=60 * MINUTES)
    assert scene.account.state is State.NOT_YET


def test_use_of_shared_gpus_is_not_known(scene):
    scene.shared = True
    assert scene.see(1000)
    assert (scene.account.state, scene.account.observed.readings) == (State.SHARED, {})


def test_the_fullest_gpu_of_any_pod_counts(scene):
    scene.pods = ("a", "b")
    scene.see(500, 700)
    assert (scene.highest, scene.account.told.pods) == (700, 2)


def test_samples_of_before_the_pod_started_are_another_pods(scene):
    scene.started = scene.now + 1
    scene.see(1000)
    assert scene.account.observed.readings == {}


def test_another_input_begins_anew(scene):
    scene.see(1000)
    scene.input_hash = "h2"
    assert scene.ledger.find(KEY, "h2") is None
    scene.now += 60
    assert scene.open().observed == Observed(since=scene.now)
    scene.see(300, later=1)
    assert scene.highest == 300


def test_an_account_of_another_input_takes_nothing_in(scene):
    scene.see(1000)
    scene.input_hash = "h2"
    scene.see(5000, later=60)
    before = scene.ledger.find(KEY, "h1")
    assert before is not None
    assert before.observed.readings[Kind.USED].highest == 1000


def test_what_was_told_before_a_restart_goes_on(scene):
    scene.see(1000)
    after = Scene(now=scene.now + 60)
    assert after.open(scene.account.told).state is None
    assert after.see(1010, later=60)
    assert (after.account.state, after.highest, after.account.observed.since) == (State.OBSERVED, 1010, 1000.0)
    assert after.account.told == scene.account.told
    assert after.see(1030, later=1)
    assert (after.highest, after.told) == (1030, 1030)


def test_opening_again_changes_nothing(scene):
    scene.see(1000)
    account = scene.account
    assert scene.open(Observed(since=1.0)) is account


def test_roles_that_are_no_more_are_forgotten(scene):
    scene.see(1000)
    scene.ledger.take({}, (), {}, {}, thresholds=Thresholds(share=0.02, seconds=1), now=scene.now)
    assert scene.ledger.find(KEY, "h1") is None


def test_an_engine_s_need_is_kept_beside_its_use(scene):
    scene.see(1000, pool=EnginePool(50, (Sample(scene.now, 0.4),)))
    assert scene.account.fills
    assert scene.account.told.readings[Kind.NEED].highest == 700
    assert scene.see(1000, later=11 * MINUTES, pool=EnginePool(50, (Sample(scene.now, 0.9),)))
    assert scene.account.told.readings[Kind.NEED].highest == 950
