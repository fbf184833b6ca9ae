"""The one decision, for the CLI, the webhook and the controller alike."""

from llmjob.decision.policy import Policy
from llmjob.decision.verdict import Verdict
from llmjob.fleet.fleet import Fleet
from llmjob.workloads.request import AnyRequest


def decide(request: AnyRequest, fleet: Fleet, policy: Policy) -> Verdict:
    """Judge one role against the classes it may run on; pure."""
    raise NotImplementedError
