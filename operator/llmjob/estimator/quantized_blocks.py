"""What a quantised checkpoint's blocks take an element: linears, each as the checkpoint stores it."""

from fractions import Fraction

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.quantization import QuantizationConfig, bytes_per_element, fewest_bytes, least


def mean_element(architecture: Architecture, config: QuantizationConfig, plain: int) -> tuple[Fraction, ...]:
    """Mean bytes of an element of the blocks' linears, the expected one first and then every other plausible one.

    `plain`: bytes of an element that is left unquantised.
    """
    usual = bytes_per_element(config)
    expected = _mean(architecture, config, usual, plain)
    if config.open:
        fewest = _mean(architecture, least(config), fewest_bytes(config), plain)
        return tuple(dict.fromkeys((expected, fewest, max(usual, Fraction(plain)))))
    return (expected,)


def _mean(architecture: Architecture, config: QuantizationConfig, usual: Fraction, plain: int) -> Fraction:
    size, elements, start = Fraction(0), 0, 0
    for run in architecture.layers:
        linears = [weight for weight in run.block.weights if weight.linear and weight.inputs > 1]
        # Where no entry tells one layer from another, one of a run's layers speaks for all.
        apart = run.count if config.by_layer else 1
        for layer in range(start, start + apart):
            for weight in linears:
                count = run.count // apart * weight.copies * weight.matrix
                stored = config.stored(weight.name, f"model.layers.{layer}.", usual)
                size += count * (plain if stored is None else stored)
                elements += count
        start += run.count
    return size / elements if elements else usual
