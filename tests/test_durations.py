import pytest

from llmjob.durations import seconds


@pytest.mark.parametrize(
    ("written", "expected"), [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h", 3600), ("1m30s", 90), ("1.5h", 5400)]
)
def test_a_duration_is_read_as_go_writes_it(written, expected):
    assert seconds(written) == expected


@pytest.mark.parametrize("written", [10, None, "", "10", "ten minutes", "5 m", "10min", "-5m", "5m!", "m"])
def test_what_is_no_duration_is_refused_with_an_example(written):
    with pytest.raises(ValueError, match="is no duration; write it like 30s, 5m or 1h"):
        seconds(written)
