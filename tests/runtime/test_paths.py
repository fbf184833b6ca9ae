import pytest

from llmjob.runtime.paths import config_map_path, events_path, is_name, job_path, secret_path


@pytest.mark.parametrize("name", ["a", "a-b.c1", "x" * 63])
def test_names_of_objects_are_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../../team-b/llmjobs/secret", "A", "a/b", "a%2Fb", "a\n", "x" * 64])
def test_what_no_object_can_be_called_is_no_name(name):
    assert not is_name(name)


def test_nothing_in_a_name_leaves_its_place_in_a_path():
    assert job_path("a/b", "../x?y") == "/apis/llmjob.dev/v1alpha1/namespaces/a%2Fb/llmjobs/..%2Fx%3Fy"
    assert config_map_path("a/b", "c#d") == "/api/v1/namespaces/a%2Fb/configmaps/c%23d"
    assert secret_path("a/b", "c#d") == "/api/v1/namespaces/a%2Fb/secrets/c%23d"
    assert events_path("a/b") == "/api/v1/namespaces/a%2Fb/events"
