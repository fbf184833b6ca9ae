"""A log line as a machine reads it."""

import json
import logging

from llmjob.runtime.log_lines import JsonLines


def record(**more):
    return logging.makeLogRecord(
        {"name": "llmjob", "levelno": logging.WARNING, "levelname": "WARNING", "created": 1767225600.25, **more}
    )


def test_a_line_is_one_object_with_time_level_logger_and_message():
    line = JsonLines().format(record(msg="%s is\nlost – again", args=("node-1",)))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-01-01T00:00:00.250+00:00",
        "level": "warning",
        "logger": "llmjob",
        "message": "node-1 is\nlost – again",
    }


def test_an_exception_is_on_the_same_line():
    line = JsonLines().format(record(msg="lost", exc_info=(ValueError, ValueError("a bug"), None)))
    assert json.loads(line)["exception"] == "ValueError: a bug"
