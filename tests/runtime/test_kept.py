"""What a LIST brings against what events said while it ran."""

import pytest

from llmjob.runtime.kept import Entry, Kept


def kept_of(kept):
    return set(kept.values())


@pytest.fixture
def kept():
    found = Kept()
    found.complete({"a": Entry(1, "a1"), "b": Entry(2, "b2")})
    return found


def test_events_since_the_list_began_are_newer_than_what_it_brings(kept):
    kept.begin()
    kept.put("a", Entry(5, None))  # deleted
    kept.put("b", Entry(6, "b6"))  # changed
    kept.put("c", Entry(7, "c7"))  # created
    kept.complete({"a": Entry(1, "a1"), "b": Entry(2, "b2")})
    assert kept_of(kept) == {"b6", "c7"}


def test_what_the_list_has_newer_is_the_lists(kept):
    kept.begin()
    kept.put("a", Entry(3, "a3"))
    kept.put("b", Entry(4, None))
    kept.complete({"a": Entry(8, "a8"), "b": Entry(9, "b9")})  # b was created again
    assert kept_of(kept) == {"a8", "b9"}


def test_versions_are_numbers_not_text(kept):
    kept.begin()
    kept.put("a", Entry(10, "a10"))
    kept.complete({"a": Entry(9, "a9")})
    assert kept_of(kept) == {"a10"}


@pytest.mark.parametrize(("event", "listed"), [(None, 9), (9, None)])
def test_where_a_version_is_unknown_the_event_counts(kept, event, listed):
    kept.begin()
    kept.put("a", Entry(event, "told"))
    kept.complete({"a": Entry(listed, "listed")})
    assert kept_of(kept) == {"told"}


def test_events_before_the_list_do_not_outlive_it(kept):
    kept.put("a", Entry(50, "a50"))
    kept.begin()
    kept.complete({"b": Entry(2, "b2")})
    assert kept_of(kept) == {"b2"}
    kept.begin()
    kept.put("c", Entry(51, "c51"))
    kept.begin()  # the list before failed
    kept.complete({})
    assert kept_of(kept) == set()


def test_a_list_says_what_it_changed(kept):
    assert kept.complete({"b": Entry(3, "b2"), "c": Entry(4, "c4")}) == {"a", "c"}


def test_an_event_older_than_what_is_known_changes_nothing(kept):
    assert kept.put("b", Entry(1, "b1")) is False
    assert kept.put("b", Entry(1, None)) is False
    assert kept_of(kept) == {"a1", "b2"}
    kept.begin()
    kept.put("b", Entry(1, "b1"))
    kept.complete({})
    assert kept_of(kept) == set()
