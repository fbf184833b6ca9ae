"""What AMD's device-metrics-exporter writes; the expected text is spelled out after its sources."""

from controlplane.exporters import AMD, Card, Occupant
from controlplane.exporters.courses import Course

MIB = 2**20
HEAD = (
    'deployment_mode="baremetal",gpu_compute_partition_type="spx",gpu_id="0",gpu_memory_partition_type="nps1",'
    'gpu_partition_id="0",hostname="mi300-0",job_id="",job_partition="",job_user=""'
)


def card(*occupants: Occupant) -> Card:
    return Card(
        index=0,
        uuid="",
        model="102-G30211-00",
        memory=196592 * MIB,
        occupants=occupants,
        serial="692345000123",
    )


def test_the_text_of_a_card_with_a_pod_is_the_exporter_s_to_the_byte() -> None:
    serve = Occupant(namespace="serving", pod="qwen-0", container="vllm", use=Course(((0, 150000 * MIB),)))
    kind, text = AMD(node="mi300-0", cards=(card(serve),)).metrics(0, "")
    labels = (
        f'card_model="102-G30211-00",container="vllm",{HEAD},namespace="serving",pod="qwen-0",'
        'serial_number="692345000123"'
    )
    assert kind == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    assert text == (
        "# HELP gpu_free_vram Free VRAM memory of the GPU (in MB)\n"
        "# TYPE gpu_free_vram gauge\n"
        f"gpu_free_vram{{{labels}}} 46592\n"
        "# HELP gpu_total_vram Total VRAM memory of the GPU (in MB)\n"
        "# TYPE gpu_total_vram gauge\n"
        f"gpu_total_vram{{{labels}}} 196592\n"
        "# HELP gpu_used_vram Used VRAM memory of the GPU (in MB)\n"
        "# TYPE gpu_used_vram gauge\n"
        f"gpu_used_vram{{{labels}}} 150000\n"
    )


def test_a_prefix_goes_before_every_name() -> None:
    text = AMD(node="mi300-0", cards=(card(),), prefix="amd_").metrics(0, "")[1]
    names = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names == {"amd_gpu_free_vram", "amd_gpu_total_vram", "amd_gpu_used_vram"}
    assert "# TYPE amd_gpu_used_vram gauge\n" in text


def test_a_card_without_a_pod_has_empty_pod_labels() -> None:
    text = AMD(node="mi300-0", cards=(card(),)).metrics(0, "")[1]
    assert ',container="",' in text
    assert ',namespace="",pod="",' in text
