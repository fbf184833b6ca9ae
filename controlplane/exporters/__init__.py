"""Exporters of GPUs that are not there: the text that the real ones write, fed by measured or drawn courses of a run.

Nothing here comes from llmjob, so that what is predicted can be wrong about what is observed.
"""

from controlplane.exporters import courses
from controlplane.exporters.server import Exporter, Server

__all__ = ["Exporter", "Server", "courses"]
