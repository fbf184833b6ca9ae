"""The report in plain columns and in Markdown."""

from llmjob.cli.report_text import markdown, text
from tests.cli.reports import actual, report, role


def test_columns_line_up_and_figures_are_set_right():
    lines = text(report(role(9, name="a"), role(13, name="a-longer-name", gpus=12))).splitlines()
    head, first, second = lines[3:6]
    assert first.startswith("team/a-longer-name  nvidia-x     12  10.0 (8.0–12.0)")
    assert second.startswith("team/a              nvidia-x      1  10.0 (8.0–12.0)")
    assert head.index("GPUS") + 4 == first.index("12") + 2 == second.index("1  ") + 1
    assert head.index("ACTUAL GiB") + 10 == first.index("13.0") + 4 == second.index(" 9.0") + 4


def test_the_course_has_a_column_only_where_there_is_one():
    assert "COURSE" not in text(report(role(9)))
    assert "COURSE" in text(report(role(9), role(actual(9, course=(9, 9)))))
    assert "COURSE" not in markdown(report(role(9)))


def test_findings_stand_under_their_headings_and_headings_only_over_findings():
    shown = text(report(role(13, name="edge"), role(4, name="waste")))
    assert shown.index("Near the edge\n  team/edge: ") < shown.index("Wasting\n  team/waste: ")
    calm = text(report(role(11)))
    assert "Near the edge" not in calm
    assert "Wasting" not in calm


def test_notes_come_before_the_figures():
    assert text(report(role(9), notes=["Prometheus is down"])).splitlines()[1] == "note: Prometheus is down"
    assert "> Prometheus is down" in markdown(report(role(9), notes=["Prometheus is down"]))


def test_classes_have_a_table_of_their_own():
    row = text(report(role(9, gpus=2))).splitlines()[-1].split()
    assert row == ["nvidia-x", "20.0", "8", "2", "1", "20.0", "18.0", "22.0"]


def test_a_role_that_is_not_the_only_one_is_named():
    assert "team/job role trainer" in text(report(role(9, role="trainer")))


def test_no_control_character_reaches_the_terminal():
    shown = text(report(role(9, gpu_class="a\x1b[2Jb\u202ec\nd"), notes=["e\rf"]))
    assert "a�[2Jb�c�d" in shown
    assert "note: e�f" in shown


def test_markdown_tables_have_as_many_cells_as_headings_whatever_a_name_holds():
    lines = markdown(report(role(9, gpu_class="a|b\nc`<i>*_["))).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("| JOB"))
    head, rule, row = lines[start : start + 3]
    assert "a\\|b�c\\`\\<i\\>\\*\\_\\[" in row
    assert head.count("|") == rule.count("|") == row.replace("\\|", "").count("|")


def test_markdown_sets_figures_right():
    lines = markdown(report(role(9))).splitlines()
    rule = lines[next(at for at, line in enumerate(lines) if line.startswith("| JOB")) + 1]
    assert rule == "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |"
