"""Amounts of memory as Kubernetes writes them."""

import pytest

from controlplane.quantity import bytes_of


@pytest.mark.parametrize(
    ("text", "amount"), [("4096", 4096), ("64Mi", 64 * 2**20), ("2Gi", 2**31), ("1k", 1000), ("3G", 3 * 10**9)]
)
def test_a_quantity_is_its_bytes(text: str, amount: int) -> None:
    assert bytes_of(text) == amount


@pytest.mark.parametrize("text", ["", "Mi", "1X", "1MiMi", "1.5Gi"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        bytes_of(text)
