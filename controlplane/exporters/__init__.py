"""Exporters of GPUs that are not there: the text that the real ones write, fed by measured or drawn courses of a run.

Nothing here comes from llmjob, so that what is predicted can be wrong about what is observed.
"""

from controlplane.exporters import courses, devices, measured
from controlplane.exporters.amd import AMD
from controlplane.exporters.cards import Card, Occupant, Slice
from controlplane.exporters.courses import Course, Share
from controlplane.exporters.dcgm import DCGM, Sharing
from controlplane.exporters.server import Exporter, Server
from controlplane.exporters.sglang import SGLang
from controlplane.exporters.vllm import VLLM, UsageName

__all__ = [
    "AMD",
    "DCGM",
    "VLLM",
    "Card",
    "Course",
    "Exporter",
    "Occupant",
    "SGLang",
    "Server",
    "Share",
    "Sharing",
    "Slice",
    "UsageName",
    "courses",
    "devices",
    "measured",
]
