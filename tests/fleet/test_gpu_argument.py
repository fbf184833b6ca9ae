"""What `--gpu` takes."""

import pytest

from llmjob.fleet.gpu_argument import parse
from llmjob.fleet.products import names, table


@pytest.mark.parametrize(
    ("argument", "name", "gpus"),
    [
        ("l4", "nvidia-l4", None),
        ("L4", "nvidia-l4", None),
        ("l4x2", "nvidia-l4", 2),
        ("nvidia-a100-80gb", "nvidia-a100-80gb", None),
        ("a100-80gbx8", "nvidia-a100-80gb", 8),
        ("NVIDIA-A100-SXM4-80GB", "nvidia-a100-80gb", None),
        ("Tesla-T4", "nvidia-t4", None),
        ("Tesla-T4-SHARED", "nvidia-t4-shared", None),
        ("nvidia-t4-mps", "nvidia-t4-mps", None),
        ("nvidia-h100-mig-1g.10gbx7", "nvidia-h100-mig-1g.10gb", 7),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "nvidia-a100-40gb-mig-1g.5gb", None),
        ("NVIDIA-GH200-480GB", "nvidia-gh200", None),
        ("rtx4090", "nvidia-geforce-rtx-4090", None),
        ("rtx4090x2", "nvidia-geforce-rtx-4090", 2),
    ],
)
def test_classes_labels_and_aliases_are_one(argument, name, gpus):
    found = parse(argument)
    assert (found.name, found.gpus_per_node) == (name, gpus)


@pytest.mark.parametrize("card", table(), ids=lambda card: card.slug)
def test_every_class_of_the_table_can_be_named(card):
    assert parse(f"nvidia-{card.slug}").name == f"nvidia-{card.slug}"
    assert all(parse(alias).name == f"nvidia-{card.slug}" for alias in card.aliases)


def test_no_name_stands_for_two_cards():
    said = list(names())
    assert len(said) == len(set(said))


def test_every_row_of_the_table_has_a_figure_or_says_why_not():
    for card in table():
        assert card.unified or card.reported is not None
        assert card.usable is None or card.usable.upper <= card.reported.upper
        assert all(size < card.reported.upper for size in card.mig.values())


def test_a_time_sliced_class_promises_nothing_and_may_reach_the_whole_card():
    whole, shared = parse("t4"), parse("nvidia-t4-shared")
    assert (shared.usable.lower, shared.usable.upper) == (0, whole.usable.upper)


def test_a_slice_is_not_bounded_by_its_parent_card():
    assert parse("nvidia-h100-mig-1g.10gb").reported.upper == 9984 * 2**20


@pytest.mark.parametrize(
    ("argument", "hint"), [("l44", "l4"), ("foo", "it knows"), ("a100", "nvidia-a100-80gb"), ("", "no such")]
)
def test_an_unknown_gpu_names_near_ones(argument, hint):
    with pytest.raises(ValueError, match=hint):
        parse(argument)
