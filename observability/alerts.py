"""Alerts. Each has an entry of its name in docs/runbooks.md, and in tests a case that fires and one that does not.

Thresholds of the processes' own clocks (age of a view, latency, a certificate's days) are not told faster.
"""

from dataclasses import dataclass
from typing import Final

from observability.promql import DAY, HOUR, ROLE, Clock, estimate
from observability.recording import COMPARED, FILLS, USED_RATIO

RUNBOOKS: Final = "docs/runbooks.md"
_MINUTE: Final = 60
_NEAR_LIMIT: Final = 0.95
_IDLE_SHARE: Final = 0.5
# A third of the API server's three seconds of patience.
_SLOW_SECONDS: Final = 1
# The setting views.maxAge: older views refuse nobody.
_STALE_SECONDS: Final = 600
_CERTIFICATE_DAYS: Final = 7
_WEBHOOK_TARGETS: Final = 'up{job=~".*llmjob.*-webhook"}'
_JOB: Final = "{{ $labels.namespace }}/{{ $labels.llmjob }} (role {{ $labels.role }})"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert; `held` is how many seconds the expression must hold."""

    name: str
    severity: str
    expr: str
    held: int
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """Where the runbook has its entry."""
        return f"{RUNBOOKS}#{self.name.lower()}"


def alerts(clock: Clock) -> list[Alert]:
    """All of them."""
    return [*_of_jobs(clock), *_of_admission(clock), *_of_processes()]


def _of_jobs(clock: Clock) -> list[Alert]:
    day = clock.span(DAY)
    idle = (
        f"max_over_time({COMPARED}[{day}]) < on ({ROLE}) {_IDLE_SHARE} * {estimate('expected', clock)}"
        f" and on ({ROLE}) {COMPARED} offset {day}"
    )
    return [
        Alert(
            "LLMJobAboveEstimate", "warning",
            f"{COMPARED} > on ({ROLE}) {estimate('upper', clock)}", 5 * _MINUTE,
            f"{_JOB} uses more GPU memory than was predicted at most",
            "Its fullest GPU holds {{ $value | humanize1024 }}B, above the prediction's upper bound. It may be placed"
            " on a GPU that is too small next time: compare the LLMJob's spec with what runs, and report the case.",
        ),
        Alert(
            "LLMJobNearGPULimit", "warning",
            f"{USED_RATIO} > {_NEAR_LIMIT} unless on ({ROLE}) {FILLS}", 5 * _MINUTE,
            f"{_JOB} is about to run out of GPU memory",
            "Its fullest GPU is {{ $value | humanizePercentage }} full. Lower batch or sequence length, or move it to"
            " a larger GPU: `llmjob check` names one.",
        ),
        Alert(
            "LLMJobMemoryIdle", "info", idle, 0,
            f"{_JOB} needs less than half of the GPU memory that was predicted",
            "Within a day it needed {{ $value | humanize1024 }}B at most. See the Accuracy dashboard; if the LLMJob"
            " says what runs, a smaller GPU may do.",
        ),
        Alert(
            "LLMJobOutOfGPUMemory", "warning",
            f"sum by ({ROLE}) (increase(llmjob_gpu_out_of_memory_total[{clock.span(HOUR // 6)}])) > 0", 0,
            f"{_JOB} ran out of GPU memory",
            "The job's condition MemoryExhausted and its event say what to change, in numbers.",
        ),
    ]  # fmt: skip


def _of_admission(clock: Clock) -> list[Alert]:
    recent, window = clock.span(5 * _MINUTE), clock.span(10 * _MINUTE)
    buckets = f"sum by (webhook, le) (rate(llmjob_admission_duration_seconds_bucket[{recent}]))"
    # A counter that is born with its first error: increase() sees nothing of that one.
    errors = 'llmjob_admission_requests_total{outcome="error"}'
    failing = f"sum by (webhook) (increase({errors}[{window}]) > 0 or ({errors} unless {errors} offset {window}))"
    return [
        Alert(
            "LLMJobWebhookSlow", "warning",
            f"histogram_quantile(0.99, {buckets}) > {_SLOW_SECONDS}", 10 * _MINUTE,
            "The webhook answers {{ $labels.webhook }} slowly",
            "One request in a hundred takes {{ $value | humanizeDuration }} or more; the API server waits three"
            " seconds, then goes on without an answer. Give the webhook CPU or replicas.",
        ),
        Alert(
            "LLMJobWebhookFailing", "critical", failing, 0,
            "The webhook fails on requests for {{ $labels.webhook }}",
            "Lately {{ $value | humanize }} of them ended in an error of ours and went through unseen. The webhook's"
            " log has the traceback: report it.",
        ),
        Alert("LLMJobWebhookOpen", "critical", _open(clock), 0,
            "Pods and jobs pass without being judged",
            "Requests were let through unjudged ({{ $labels.cause }}). Look whether the webhook's pods run, are ready"
            " and are reached by the API server.",
        ),
    ]  # fmt: skip


def _open(clock: Clock) -> str:
    """The API server says so, the webhook ran out of time, or none of its replicas is up any more."""
    window, hour = clock.span(10 * _MINUTE), clock.span(HOUR)
    passed = 'apiserver_admission_webhook_fail_open_count{name=~".+[.]llmjob[.]dev"}'
    # Its counter is older than our first look at it; only what is born while the target is scraped counts.
    born = f"({passed} unless {passed} offset {window}) and on (job, instance) up offset {window}"
    late = 'llmjob_admission_requests_total{reason="Timeout"}'
    signals = {
        "no answer": f"sum(increase({passed}[{window}]) > 0 or {born})",
        "late": f"sum(increase({late}[{window}]) > 0 or ({late} unless {late} offset {window}))",
        "down": f"count(last_over_time({_WEBHOOK_TARGETS}[{hour}])) unless on () {_WEBHOOK_TARGETS} == 1",
    }
    return " or ".join(f'label_replace({expr}, "cause", "{cause}", "", "")' for cause, expr in signals.items())


def _of_processes() -> list[Alert]:
    left = "min by (instance, pod) (llmjob_certificate_expiry_timestamp_seconds) - time()"
    return [
        Alert(
            "LLMJobViewStale", "warning",
            f"max by (instance, pod, view) (llmjob_view_age_seconds) > {_STALE_SECONDS}", 5 * _MINUTE,
            "A process of the operator has not heard of {{ $labels.view }} for long",
            "The view is {{ $value | humanizeDuration }} old. Nothing is refused on an old view. Look at the log for"
            " errors of the API server or missing rights.",
        ),
        Alert(
            "LLMJobSettingsNotLoaded", "warning",
            "min by (instance, pod) (llmjob_settings_last_reload_successful) == 0", 5 * _MINUTE,
            "The operator's settings are bad, the last good ones are kept",
            "The event SettingsInvalid on the settings' ConfigMap and the log name the key.",
        ),
        Alert(
            "LLMJobCertificateNotLoaded", "warning",
            "min by (instance, pod) (llmjob_certificate_last_reload_successful) == 0", 15 * _MINUTE,
            "The webhook's mounted certificate is bad or absent, the last good one is kept",
            "When that one ends, the API server goes on without the webhook. The log says what is wrong with the"
            " Secret.",
        ),
        Alert(
            "LLMJobCertificateNearEnd", "critical",
            f"{left} < {_CERTIFICATE_DAYS * DAY}", 0,
            "The webhook's certificate ends within a week",
            "It has {{ $value | humanizeDuration }} left and was not renewed. Look at the controller's log, or at"
            " cert-manager's Certificate.",
        ),
    ]  # fmt: skip
