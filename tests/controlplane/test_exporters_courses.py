"""Courses are what was measured or drawn, and never what llmjob thinks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.exporters import courses, measured
from controlplane.exporters.courses import Course, Share

GIB = 2**30
ROOT = Path(measured.__file__).resolve().parents[2]


def test_nothing_of_llmjob_is_in_the_exporters() -> None:
    program = (
        "import controlplane.exporters, sys; print(*(name for name in sys.modules if name.split('.')[0] == 'llmjob'))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}"}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    assert found.stdout.strip() == ""
    sources = {path.name: path.read_text() for path in (ROOT / "controlplane" / "exporters").glob("*.py")}
    assert len(sources) > 5
    assert [name for name, text in sources.items() if re.search(r"^\s*(import|from) llmjob", text, re.MULTILINE)] == []


def test_between_knots_a_course_is_a_straight_line_and_after_the_last_it_stays() -> None:
    course = Course(((10, 0), (20, 1000), (30, 400)))
    assert [course(second) for second in (0, 10, 15, 20, 25, 30, 1e9)] == [0, 0, 500, 1000, 700, 400, 400]
    assert course.peak == 1000


def test_before_its_first_knot_nothing_is_in_use() -> None:
    assert Course(((10, 7),))(9.99) == 0
    assert courses.IDLE(5) == 0


@given(st.integers(min_value=1, max_value=80 * GIB), st.floats(min_value=0, max_value=1e5))
def test_a_drawn_training_never_passes_its_peak_and_reaches_it(peak: int, seconds: float) -> None:
    course = courses.training(peak)
    assert 0 <= course(seconds) <= peak
    assert course(1e5) == peak


def test_a_training_rests_at_its_weights_before_the_first_step() -> None:
    course = courses.training(10 * GIB, resting=3 * GIB)
    assert course(60) == 3 * GIB
    assert 3 * GIB < course(80) < course(380) == 10 * GIB


def test_an_engine_takes_its_memory_at_start_and_keeps_it() -> None:
    course = courses.serving(70 * GIB)
    assert (course(30), course(60), course(9999)) == (35 * GIB, 70 * GIB, 70 * GIB)


def test_a_drift_leaves_the_plateau_and_stays_above() -> None:
    course = courses.drifting(courses.training(10 * GIB), 14 * GIB, begin=600, end=1200)
    assert (course(599), course(900), course(1200), course(5000)) == (10 * GIB, 12 * GIB, 14 * GIB, 14 * GIB)


def test_a_drift_may_begin_before_the_plateau_which_it_then_never_sees() -> None:
    course = courses.drifting(courses.training(10 * GIB), 14 * GIB, begin=60, end=160)
    assert course(60) == 4 * GIB
    assert (course(110), course(160), course(380)) == (9 * GIB, 14 * GIB, 14 * GIB)


def test_out_of_memory_fills_the_card_and_then_the_process_is_gone() -> None:
    course = courses.out_of_memory(courses.training(10 * GIB), 16 * GIB, begin=600, end=1200)
    assert course(1199) > 15 * GIB
    assert course.peak == 16 * GIB
    assert course(1200) == course(2000) == 0


def test_a_course_can_start_later() -> None:
    course = courses.serving(GIB).after(100)
    assert (course(99), course(160)) == (0, GIB)


def test_a_share_is_read_the_same_way() -> None:
    assert Share(((0, 0.1), (10, 0.3)))(5) == pytest.approx(0.2)
    assert courses.NEVER(5) == 0


def test_a_fine_tuning_course_peaks_at_what_nvidia_smi_said_on_each_gpu() -> None:
    run = measured.fine_tuning("T0115")
    assert [course(1e6) for course in run.gpus] == [18678 * 2**20] * 2
    assert run.model == "mistralai/Mistral-7B-v0.1"
    assert run.source == run.gpus[0].source
    assert "a100_80gb.csv row 35" in run.source


def test_torch_s_own_figure_is_no_use_of_a_gpu() -> None:
    with pytest.raises(measured.NotMeasured, match=r"T0114 is torch\.cuda\.max_memory_allocated"):
        measured.fine_tuning("T0114")


def test_a_t4_course_rests_at_the_weights_and_peaks_at_the_process_s_memory() -> None:
    run = measured.fine_tuning_on_t4("HuggingFaceTB/SmolLM2-360M", 4096, 1)
    assert run.gpus[0](1e6) == 8304.875 * 2**20
    assert run.gpus[0](60) < run.gpus[0](80)


def test_a_vllm_course_is_the_sum_of_what_it_logged() -> None:
    run = measured.vllm_on_h100("Qwen/Qwen3-8B")
    assert run.gpus[0](1e6) == pytest.approx((0.51 + 15.27 + 0.25 + 57.5 + 0.96) * GIB)
    assert (run.pool_tokens, run.pool_bytes) == (418688, round(57.5 * GIB))
    assert len(measured.vllm_on_h100("meta-llama/Llama-3.1-8B-Instruct", "tp4pp1dp1").gpus) == 4


def test_an_sglang_course_is_what_its_start_left_of_the_card() -> None:
    run = measured.sglang("I0080", round(139.72 * GIB))
    assert run.gpus[0](1e6) == pytest.approx((139.72 - 17.66) * GIB)
    assert (run.pool_tokens, run.pool_bytes) == (871371, round(106.36 * GIB))
    assert run.source == "https://github.com/sgl-project/sglang/issues/6753"


def test_a_row_that_is_not_there_or_lacks_a_figure_is_an_error_that_names_it() -> None:
    with pytest.raises(measured.NotMeasured, match=r"training\.csv has no row whose id is T9999999"):
        measured.fine_tuning("T9999999")
    with pytest.raises(measured.NotMeasured, match="kv_avail_gib_min_rank"):
        measured.vllm_on_h100("meta-llama/Llama-3.1-8B-Instruct", "tp1pp2dp1")
    with pytest.raises(measured.NotMeasured, match="I0200 is a run of vLLM"):
        measured.sglang("I0200", 40 * GIB)
    with pytest.raises(measured.NotMeasured, match="has no row with"):
        measured.fine_tuning_on_t4("HuggingFaceTB/SmolLM2-360M", 1, 1)
    with pytest.raises(measured.NotMeasured, match="has no row with"):
        measured.vllm_on_h100("nobody/nothing")
