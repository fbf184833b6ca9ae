"""The command as a user runs it: a process, its output and its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmjob.cli import main

SOURCES = str(Path(__file__).parents[2] / "operator")


def llmjob(*args, stdin="", env=None, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "llmjob", *args],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": SOURCES, **(env or {})},
    )


def test_help_lists_every_command_with_what_it_does():
    shown = llmjob("--help")
    assert shown.returncode == 0
    for name in ("estimate", "check", "fleet", "report", "crd", "controller", "webhook", "completion"):
        assert f"  {name} " in shown.stdout


def test_a_wrong_option_is_usage():
    assert llmjob("estimate", "--nonsense").returncode == 64


def test_a_mistyped_command_is_usage_and_names_the_near_one():
    shown = llmjob("estimat")
    assert shown.returncode == 64
    assert "Did you mean 'estimate'?" in shown.stderr


def test_an_exception_of_ours_is_70_without_a_traceback(monkeypatch, capsys):
    def broken(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(main.cli, "main", broken)
    with pytest.raises(SystemExit) as left:
        main.run()
    assert left.value.code == 70
    shown = capsys.readouterr().err
    assert "a bug" in shown
    assert "Traceback" not in shown


def test_flags_estimate_the_simple_method_of_a_7b_model():
    shown = llmjob("estimate", "--parameters", "7B", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    (record,) = json.loads(shown.stdout)
    assert record["perGPU"]["expected"] == 18_800_000_000
    assert record["name"] == "7B"
    assert list(record) == [
        "schemaVersion", "namespace", "name", "role", "gpuClass", "perGPU", "measures", "components", "gpus",
        "parameters", "activeParameters", "profile", "instant", "serving", "limit", "unknown", "warnings",
    ]  # fmt: skip


def test_flags_alone_import_neither_pydantic_nor_yaml_nor_any_client():
    code = (
        "import sys; sys.argv=['llmjob','estimate','--parameters','7B','-o','json']\n"
        "from llmjob.cli.main import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "import sys; print([m for m in ('pydantic','yaml','rich','kopf','kubernetes','aiohttp','prometheus_client',"
        "'cryptography') if m in sys.modules], file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": SOURCES}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert shown.stderr.strip() == "[]"


def test_the_installed_command_is_compiled_for_no_start_compiles_it():
    command = Path(sys.executable).parent / "llmjob"
    assert command.exists(), "run `make install`"
    code = (
        "import click, llmjob.cli.main as main, importlib.util as util\n"
        "for module in (click, main): print(util.cache_from_source(module.__file__))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert [Path(line).exists() for line in shown.stdout.split()] == [True, True], shown.stdout


def test_a_file_of_jobs_imports_no_client():
    job = {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": "a"},
           "spec": {"model": {"parameters": "7B"}, "inference": {}}}  # fmt: skip
    code = (
        "import sys; sys.argv=['llmjob','estimate','-f','-']\n"
        "from llmjob.cli.main import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "import sys; print([m for m in ('kopf','kubernetes','aiohttp','prometheus_client','cryptography',"
        "'rich.table','llmjob.decision') if m in sys.modules], file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": SOURCES}
    shown = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(job), capture_output=True, text=True, check=True, env=env
    )
    assert shown.stderr.strip() == "[]"


def test_the_method_makes_it_fine_tuning():
    shown = llmjob("estimate", "--parameters", "7B", "--method", "LoRA", "-o", "json")
    assert json.loads(shown.stdout)[0]["perGPU"]["expected"] == 18_100_000_000


def test_a_flag_of_the_other_task_is_usage():
    shown = llmjob("estimate", "--parameters", "7B", "--optimizer", "SGD")
    assert shown.returncode == 64
    assert "--optimizer" in shown.stderr


def test_no_model_is_usage():
    shown = llmjob("estimate")
    assert shown.returncode == 64
    assert "--model" in shown.stderr


def test_a_config_that_is_not_json_is_bad_input(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{nonsense")
    shown = llmjob("estimate", "--config", str(path), "-o", "json")
    assert shown.returncode == 65
    assert json.loads(shown.stdout)[0]["unknown"]["reason"] == "BadInput"


def test_an_unknown_optimizer_is_unknown_and_names_the_field():
    shown = llmjob("estimate", "--parameters", "7B", "--method", "Full", "--optimizer", "Adamm", "-o", "json")
    assert shown.returncode == 3
    (record,) = json.loads(shown.stdout)
    assert record["perGPU"] is None
    assert record["unknown"]["reason"] == "ModelUnknown"
    assert "optimizer" in record["unknown"]["field"]


def test_a_bad_document_does_not_hide_the_others():
    manifest = """
apiVersion: llmjob.dev/v1alpha1
kind: LLMJob
metadata: {name: bad}
spec: {model: {parameters: 7B}}
---
apiVersion: llmjob.dev/v1alpha1
kind: LLMJob
metadata: {name: good, namespace: research}
spec: {model: {parameters: 7B}, inference: {}}
"""
    shown = llmjob("estimate", "-f", "-", "-o", "json", stdin=manifest)
    assert shown.returncode == 65, shown.stderr
    bad, good = json.loads(shown.stdout)
    assert (bad["name"], bad["unknown"]["reason"], bad["perGPU"]) == ("bad", "BadInput", None)
    assert (good["namespace"], good["name"]) == ("research", "good")
    assert good["perGPU"]["expected"] == 18_800_000_000


def test_an_unknown_field_names_the_near_one():
    head = "apiVersion: llmjob.dev/v1alpha1, kind: LLMJob, metadata: {name: a}"
    manifest = f"{{{head}, spec: {{model: {{parameters: 7B, parameter: 7B}}, inference: {{}}}}}}"
    shown = llmjob("check", "-f", "-", "--gpu", "l4", "-o", "json", stdin=manifest)
    assert shown.returncode == 65
    assert "parameters" in json.loads(shown.stdout)[0]["message"]


def test_other_kinds_are_skipped_with_a_line_and_nothing_to_judge_is_bad_input():
    shown = llmjob("check", "-f", "-", "--gpu", "l4", stdin="{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    assert shown.returncode == 65
    assert "skipped: ConfigMap a" in shown.stderr


def test_a_missing_file_is_usage():
    assert llmjob("check", "-f", "/does/not/exist.yaml", "--gpu", "l4").returncode == 64


@pytest.mark.parametrize(
    ("gpu", "code", "reason"),
    [("h100", 0, "Fits"), ("t4", 2, "InsufficientGPUMemory"), ("l4", 1, "Tight")],
)
def test_check_judges_against_named_gpus(gpu, code, reason):
    # 7B at 16 bit: lower 14.0 GB = 13.04 GiB ... the T4 shows 14.56, so 8B is what cannot fit there: 16 GB = 14.9 GiB.
    # Upper for 8B: 21.2 + 1.6 + 1.6 + 1 = 25.4 GB = 23.7 GiB, above the L4's 22.16.
    shown = llmjob("check", "--parameters", "8B", "--gpu", gpu, "-o", "json")
    (record,) = json.loads(shown.stdout)
    assert (record["reason"], shown.returncode, record["exitCode"]) == (reason, code, code)


def test_an_unknown_gpu_is_usage_and_names_a_known_one():
    shown = llmjob("check", "--parameters", "7B", "--gpu", "h10")
    assert shown.returncode == 64
    assert "h100" in shown.stderr.lower()


def test_check_without_a_cluster_is_69():
    env = {"KUBECONFIG": "/does/not/exist", "HOME": "/nonexistent"}
    shown = llmjob("check", "--parameters", "7B", env=env)
    assert shown.returncode == 69
    assert "--fleet" in shown.stderr


def test_a_pod_is_judged_as_its_jobs_role():
    manifest = """
apiVersion: llmjob.dev/v1alpha1
kind: LLMJob
metadata: {name: big}
spec: {model: {parameters: 70B}, inference: {}}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {llmjob.dev/job: big}}
spec:
  containers: [{name: a, image: b, resources: {limits: {nvidia.com/gpu: 1}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: orphan, labels: {llmjob.dev/job: nobody}}
spec:
  containers: [{name: a, image: b, resources: {limits: {nvidia.com/gpu: 1}}}]
"""
    shown = llmjob("check", "-f", "-", "--gpu", "l4x4", "-o", "json", stdin=manifest)
    job, pod, orphan = json.loads(shown.stdout)
    assert job["reason"] == pod["reason"] == "InsufficientGPUMemory"
    assert job["need"] == pod["need"]
    assert orphan["reason"] == "Pending"
    assert shown.returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell):
    shown = llmjob("completion", shell)
    assert shown.returncode == 0
    assert "llmjob" in shown.stdout


def test_crd_prints_a_custom_resource_definition():
    shown = llmjob("crd")
    assert shown.returncode == 0
    assert "kind: CustomResourceDefinition" in shown.stdout


def test_a_closed_pipe_is_quiet():
    command = f"PYTHONPATH={SOURCES} {sys.executable} -m llmjob crd | head -1"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stderr == ""


def test_scenarios_are_the_seeds_seven():
    # Alibaba Cloud PAI's tables for 7B, in GB; inference at 8 and 4 bit by its rule (weights at 1 and 0.5 bytes).
    shown = llmjob("estimate", "--parameters", "7B", "--scenarios", "-o", "json")
    totals = {record["name"]: record["perGPU"]["expected"] for record in json.loads(shown.stdout)}
    assert totals == {
        "inference-16bit": 18_800_000_000,
        "inference-8bit": 11_800_000_000,
        "inference-4bit": 8_300_000_000,
        "full": 87_400_000_000,
        "lora": 18_100_000_000,
        "qlora-8bit": 11_100_000_000,
        "qlora-4bit": 7_600_000_000,
    }


def test_scenarios_print_the_two_tables():
    shown = llmjob("estimate", "--parameters", "7B", "--scenarios")
    assert shown.returncode == 0, shown.stderr
    for figure in ("87.4", "18.1", "11.1", "7.6", "SGDMomentum", "0.56"):
        assert figure in shown.stdout


def test_the_limit_is_the_test_that_binds_and_null_without_a_gpu():
    # vLLM budgets 90 % and more of the card, so a server that fills the pool is bound by the budget; the simple method
    # has no budget.
    def limit(*flags):
        return json.loads(llmjob("estimate", *flags, "-o", "json").stdout)[0]["limit"]

    assert limit("--parameters", "7B", "--gpu", "l4") == "Memory"
    assert limit("--model", "Qwen/Qwen3-8B", "--max-model-len", "8192", "--gpu", "l4") == "Budget"
    assert limit("--model", "Qwen/Qwen3-8B", "--max-model-len", "8192") is None


def test_a_pod_that_asks_for_a_renamed_share_has_an_eligible_class():
    manifest = """
apiVersion: llmjob.dev/v1alpha1
kind: LLMJob
metadata: {name: small}
spec: {model: {parameters: 1B}, inference: {}}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {llmjob.dev/job: small}}
spec:
  containers: [{name: a, image: b, resources: {limits: {nvidia.com/gpu.shared: 1}}}]
"""
    shown = llmjob("check", "-f", "-", "--gpu", "t4-shared", "-o", "json", stdin=manifest)
    assert [record["reason"] for record in json.loads(shown.stdout)] == ["Tight", "Tight"]


def test_one_document_that_cannot_be_read_does_not_hide_its_neighbours():
    good = "{apiVersion: llmjob.dev/v1alpha1, kind: LLMJob, metadata: {name: NAME}, spec: SPEC}"
    spec = "{model: {parameters: 7B}, inference: {}}"
    documents = [
        good.replace("NAME", "first").replace("SPEC", spec),
        "{a: 1, a: 2}",
        good.replace("NAME", "last").replace("SPEC", spec),
    ]
    shown = llmjob("estimate", "-f", "-", "-o", "json", stdin="\n---\n".join(documents))
    records = json.loads(shown.stdout)
    assert [(r["name"], r["perGPU"] is None) for r in records] == [
        ("first", False),
        ("standard input", True),
        ("last", False),
    ]
    assert "stands twice" in records[1]["unknown"]["message"]
    assert shown.returncode == 65


@pytest.mark.parametrize("content", ["", "kind: Foo", "- {name: l4, memory: abc}", "- {name: l4, colour: red}", "a: ["])
def test_a_fleet_that_is_none_is_bad_input(content):
    shown = llmjob("check", "--parameters", "7B", "--fleet", "-", stdin=content)
    assert (shown.returncode, shown.stdout) == (65, "")
    assert "--fleet" in shown.stderr


def test_a_cluster_without_nodes_is_a_fleet():
    shown = llmjob("check", "--parameters", "7B", "--fleet", "-", stdin="{apiVersion: v1, kind: List, items: []}")
    assert shown.returncode == 4


def test_settings_without_a_cluster_are_usage():
    assert llmjob("check", "--parameters", "7B", "--gpu", "l4", "--settings", "a.yaml").returncode == 64


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("llmjob check --gpu nvidia-l", "nvidia-l4"),
        ("llmjob estimate --engine sg", "SGLang"),
        ("llmjob estimate --method ql", "QLoRA"),
        ("llmjob estimate --model qwen/qwen3-8", "Qwen/Qwen3-8B"),
        ("llmjob check -f ex", "file"),
        ("llmjob es", "estimate"),
    ],
)
def test_completion_offers_files_cards_names_and_models(words, expected):
    env = {"_LLMJOB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert expected in llmjob(env=env).stdout


@pytest.mark.parametrize("place", [("--fleet", "-"), ("--gpu", "t4")])
def test_gpus_that_were_named_are_all_there_are(place):
    shown = llmjob("check", "--parameters", "70B", *place, "-o", "json", stdin="[{name: t4, nodes: 1}]")
    assert [record["reason"] for record in json.loads(shown.stdout)] == ["InsufficientGPUMemory"]


@pytest.mark.parametrize("redirect", [">&-", "<&-", ">&- 2>&-"])
def test_a_stream_that_the_caller_closed_is_no_failure(redirect):
    command = f"PYTHONPATH={SOURCES} {sys.executable} -m llmjob estimate --parameters 7B {redirect}"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("arguments", ["--version", "estimate --parameters 7B -o json", "crd"])
def test_a_full_disk_is_no_bug_of_ours(arguments):
    command = f"PYTHONPATH={SOURCES} {sys.executable} -m llmjob {arguments} > /dev/full"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert shown.returncode == 74
    assert "cannot write the output" in shown.stderr


def test_a_config_with_a_key_twice_is_bad_input(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "llama", "hidden_size": 64, "hidden_size": 128}')
    shown = llmjob("estimate", "--config", str(path))
    assert shown.returncode == 65
    assert "twice" in shown.stdout


def test_a_config_without_end_is_usage():
    assert llmjob("estimate", "--config", "/dev/zero").returncode == 64
