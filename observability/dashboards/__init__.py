"""The four dashboards."""

from typing import Final

from observability.dashboards.accuracy import ACCURACY
from observability.dashboards.admission import ADMISSION
from observability.dashboards.fleet import FLEET
from observability.dashboards.job import JOB

DASHBOARDS: Final = (FLEET, JOB, ACCURACY, ADMISSION)
