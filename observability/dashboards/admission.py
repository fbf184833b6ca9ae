"""What the webhook is asked and answers, and whether its processes are well."""

from typing import Final

from observability.panels import COUNT, RATE, SECONDS, SHARE, Dashboard, Kind, Panel, Query, Row, Step, Style

_REQUESTS: Final = "llmjob_admission_requests_total"
_ERRORS: Final = f'{_REQUESTS}{{outcome="error"}}'
_BUCKETS: Final = "sum by (webhook, le) (rate(llmjob_admission_duration_seconds_bucket[$__rate_interval]))"
_OPEN: Final = 'apiserver_admission_webhook_fail_open_count{name=~".+[.]llmjob[.]dev"}'
_BAD: Final = (Step(None, "green"), Step(0.5, "red"))

_NOW: Final = (
    Panel(
        kind=Kind.STAT,
        title="Requests",
        description="Answered a second. None at all while pods are created: the API server does not reach the webhook,"
        " see the runbook of LLMJobWebhookOpen.",
        unit=RATE,
        queries=(Query(f"sum(rate({_REQUESTS}[$__rate_interval]))", "requests"),),
        width=5,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Errors of ours",
        description="Within the chosen time. Each is a bug: the log has the traceback, please report it.",
        unit=COUNT,
        queries=(Query(f"sum(increase({_ERRORS}[$__range])) or vector(0)", "errors"),),
        width=5,
        height=4,
        steps=_BAD,
    ),
    Panel(
        kind=Kind.STAT,
        title="Passed unjudged",
        description="What the API server let through without our answer, within the chosen time; its metrics must be"
        " scraped.",
        unit=COUNT,
        queries=(Query(f"sum(increase({_OPEN}[$__range])) or vector(0)", "passed"),),
        width=5,
        height=4,
        steps=_BAD,
    ),
    Panel(
        kind=Kind.STAT,
        title="Certificate ends in",
        description="The webhook's certificate that ends first. It is renewed after two thirds of its life; within a"
        " week of its end see the runbook of LLMJobCertificateNearEnd.",
        unit=SECONDS,
        queries=(Query("min(llmjob_certificate_expiry_timestamp_seconds) - time()", "left"),),
        width=5,
        height=4,
        steps=(Step(None, "red"), Step(7 * 86400, "green")),
    ),
    Panel(
        kind=Kind.STAT,
        title="Settings",
        description="Whether every process goes by the settings that stand in the ConfigMap. Bad: the event"
        " SettingsInvalid names the key; the last good ones are kept.",
        unit=COUNT,
        queries=(Query("min(llmjob_settings_last_reload_successful)", "settings"),),
        width=4,
        height=4,
        steps=(Step(None, "red"), Step(1, "green")),
        texts=((0, "bad"), (1, "loaded")),
    ),
)

_ANSWERS: Final = (
    Panel(
        kind=Kind.TIME_SERIES,
        title="Rate by outcome",
        description="warned and denied are what people see. Many denials at once: a job whose controller tries again"
        " and again, or a fleet that lost a class.",
        unit=RATE,
        queries=(Query(f"sum by (outcome) (rate({_REQUESTS}[$__rate_interval]))", "{{outcome}}"),),
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Rate by reason",
        description="InsufficientGPUMemory and NotEnoughGPUsPerNode are verdicts. Stale, InventoryUnknown and"
        " IncompleteInventory say what keeps the operator from one; Timeout that it was too slow.",
        unit=RATE,
        queries=(Query(f"sum by (reason) (rate({_REQUESTS}[$__rate_interval]))", "{{reason}}"),),
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Rate by what was asked",
        description="LLMJobs, pods and workloads, by operation. Pods many times above the rest: a controller tries"
        " again and again.",
        unit=RATE,
        queries=(
            Query(f"sum by (webhook, operation) (rate({_REQUESTS}[$__rate_interval]))", "{{webhook}} {{operation}}"),
        ),
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Share of errors",
        description="Requests that ended in an error of ours. Anything above 0 is worth a look into the log.",
        unit=SHARE,
        queries=(
            Query(
                f"(sum(rate({_ERRORS}[$__rate_interval])) or vector(0)) / sum(rate({_REQUESTS}[$__rate_interval]))",
                "errors",
            ),
        ),
    ),
)

_SPEED: Final = (
    Panel(
        kind=Kind.TIME_SERIES,
        title="Latency",
        description="The median and the slowest hundredth, by what was asked. The API server waits three seconds. Near"
        " one: give the webhook CPU or replicas.",
        unit=SECONDS,
        queries=(
            Query(f"histogram_quantile(0.5, {_BUCKETS})", "{{webhook}} median"),
            Query(f"histogram_quantile(0.99, {_BUCKETS})", "{{webhook}} 99 %"),
        ),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Age of the views",
        description="Time since a process last heard of nodes and jobs. Above ten minutes nothing is refused: look for"
        " errors of the API server in the log.",
        unit=SECONDS,
        queries=(Query("max by (instance, pod, view) (llmjob_view_age_seconds)", "{{pod}} {{view}}"),),
    ),
)

ADMISSION: Final = Dashboard(
    uid="llmjob-admission",
    title="LLMJob / Admission",
    description="Rate, outcome, reason and latency of admission, and the age of the views behind it.",
    variables=(),
    rows=(Row("Now", _NOW), Row("Answers", _ANSWERS), Row("Speed and freshness", _SPEED)),
)
