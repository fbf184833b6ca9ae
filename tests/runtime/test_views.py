from llmjob.runtime.views import JobView, NodeView, SeenJob


def test_a_view_is_synced_by_its_first_list_and_ages_from_its_last_news(made):
    clock = made.clock_class()
    view = NodeView(clock)
    assert (view.synced, view.age) == (False, float("inf"))
    view.replace(view.read([]))
    clock.now += 7
    assert (view.synced, view.age) == (True, 7.0)
    view.apply("MODIFIED", made.node("a", made.t4))
    assert view.age == 0.0


def test_a_list_drops_what_was_deleted_unseen(made):
    nodes, jobs = NodeView(), JobView()
    nodes.replace(nodes.read([made.node("a", made.t4), made.node("b", made.l4)]))
    nodes.replace(nodes.read([made.node("b", made.l4)]))
    assert [found.name for found in nodes.fleet.classes()] == ["nvidia-l4"]
    jobs.replace(jobs.read([made.job("one"), made.job("two")]))
    jobs.replace(jobs.read([made.job("two")]))
    assert [seen.name for seen in jobs] == ["two"]


def test_a_heartbeat_makes_no_new_fleet(made):
    view = NodeView()
    view.replace(view.read([made.node("a", made.t4)]))
    before = view.fleet
    beat = made.node("a", made.t4)
    beat["status"]["conditions"] = [{"type": "Ready", "lastHeartbeatTime": "now"}]
    assert view.apply("MODIFIED", beat) is False
    assert view.fleet is before


def test_events_add_change_and_remove_nodes(made):
    view = NodeView()
    view.replace(view.read([]))
    assert view.apply("ADDED", made.node("a", made.t4))
    assert view.apply("MODIFIED", made.node("a", made.l4))
    assert [found.name for found in view.fleet.classes()] == ["nvidia-l4"]
    assert view.apply("DELETED", made.node("a", made.l4))
    assert view.fleet.classes() == ()


def test_a_node_that_loses_its_gpus_leaves_the_fleet(made):
    view = NodeView()
    view.replace(view.read([made.node("a", made.t4)]))
    assert view.apply("MODIFIED", {"metadata": {"name": "a"}, "status": {}})
    assert view.fleet.classes() == ()


def test_jobs_are_found_by_namespace_and_name(made):
    view = JobView()
    view.replace(view.read([made.job("one")]))
    assert view.find("team", "one").job.metadata.name == "one"
    assert view.find("other", "one") is None
    view.apply("DELETED", made.job("one"))
    assert view.find("team", "one") is None
    assert len(view) == 0


def test_managed_fields_are_not_kept(made):
    view = JobView()
    job = made.job("one")
    job["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    view.apply("ADDED", job)
    assert "managedFields" not in view.find("team", "one").content["metadata"]


def test_a_job_that_cannot_be_read_is_seen_with_its_error(made):
    seen = SeenJob.of(made.job(fineTuning={}))
    assert seen.job is None
    assert seen.error.errors


def versioned(content, version):
    content["metadata"]["resourceVersion"] = str(version)
    return content


def test_a_job_deleted_during_a_list_does_not_come_back(made):
    view = JobView()
    view.replace(view.read([versioned(made.job("one"), 5)]))
    view.begin()
    listed = view.read([versioned(made.job("one"), 5)])
    view.apply("DELETED", versioned(made.job("one"), 8))
    view.replace(listed)
    assert view.find("team", "one") is None


def test_a_job_changed_during_a_list_stays_changed(made):
    view = JobView()
    view.begin()
    listed = view.read([versioned(made.job("one", parameters="7B"), 99)])
    view.apply("MODIFIED", versioned(made.job("one", parameters="8B"), 100))
    view.replace(listed)
    assert view.find("team", "one").job.spec.model.parameters == "8B"


def test_a_node_that_came_or_went_during_a_list_is_what_the_events_said(made):
    view = NodeView()
    view.begin()
    listed = view.read([versioned(made.node("old", made.t4), 5)])
    view.apply("DELETED", versioned(made.node("old", made.t4), 7))
    view.apply("ADDED", versioned(made.node("new", made.l4), 8))
    view.replace(listed)
    assert [found.name for found in view.fleet.classes()] == ["nvidia-l4"]


def test_a_job_of_a_known_version_is_not_read_again(made):
    view = JobView()
    view.replace(view.read([versioned(made.job("one"), 5)]))
    before = view.find("team", "one")
    view.replace(view.read([versioned(made.job("one"), 5)]))
    view.apply("MODIFIED", versioned(made.job("one"), 5))
    assert view.find("team", "one") is before
    view.replace(view.read([versioned(made.job("one"), 6)]))
    assert view.find("team", "one") is not before


def test_a_version_that_is_no_number_is_unknown(made):
    view = JobView()
    view.apply("ADDED", versioned(made.job("one", parameters="7B"), "x9"))
    view.apply("MODIFIED", versioned(made.job("one", parameters="8B"), "x8"))
    assert view.find("team", "one").job.spec.model.parameters == "8B"
