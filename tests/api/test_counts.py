"""Parameter counts as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.api.counts import format_count, parse_count
from llmjob.api.patterns import COUNT


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("7B", 7 * 10**9),
        ("0.5B", 5 * 10**8),
        ("671B", 671 * 10**9),
        ("1.5T", 1500 * 10**9),
        ("350M", 350 * 10**6),
        ("22.5K", 22500),
        ("7.615616512B", 7615616512),
        ("7615616512", 7615616512),
        ("7", 7),
    ],
)
def test_a_count_is_read_exactly(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize(
    "text", ["", "7b", "B", "7 B", "-7B", "1e9", "NaN", "7B\n", "99999B", "1.2345K", "٧B", "0B", "0", "0.0M"]
)
def test_what_is_no_count_is_an_error(text):
    with pytest.raises(ValueError, match="parameter"):
        parse_count(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (7 * 10**9, "7B"),
        (5 * 10**8, "500M"),
        (1500 * 10**9, "1.5T"),
        (7615616512, "7615616512"),
        (1, "1"),
        (1500, "1.5K"),
    ],
)
def test_a_count_is_written_with_the_largest_suffix_that_keeps_it_exact(count, text):
    assert format_count(count) == text


@given(st.integers(min_value=1, max_value=10**16 - 1))
def test_a_written_count_is_read_back_as_the_same(count):
    text = format_count(count)
    assert re.fullmatch(COUNT, text)
    assert parse_count(text) == count
