"""The chart's names are the product's; what it renders is tested with a real API server."""

from pathlib import Path

import pytest
import yaml

from llmjob import names
from llmjob.runtime.admission import _IN_TIME

CHART = Path(__file__).resolve().parents[2] / "charts" / "llmjob"


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("_admission.tpl", f"key: {names.ENFORCEMENT_LABEL}\n"),
        ("mutating.yaml", f"key: {names.STEERING_LABEL}\n"),
        (
            "mutating.yaml",
            f'key: {names.TERMINATION_MESSAGE}\n          operator: In\n          values: ["{names.LOGS}"]\n',
        ),
        ("mutating.yaml", f"\n  name: {names.WEBHOOK_CONFIGURATION}\n"),
        ("validating.yaml", f"\n  name: {names.WEBHOOK_CONFIGURATION}\n"),
    ],
)
def test_a_template_uses_the_products_name(template, named):
    assert named in (CHART / "templates" / template).read_text()


def test_an_answer_comes_before_the_api_server_stops_waiting():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["webhook"]["timeoutSeconds"] > _IN_TIME
