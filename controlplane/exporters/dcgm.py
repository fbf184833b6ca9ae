"""dcgm-exporter: the framebuffer's counters, byte for byte as it writes them.

Sources, NVIDIA/dcgm-exporter at d5e5f51: internal/pkg/rendermetrics/render_metrics.go (the line),
internal/pkg/transformation/kubernetes.go (which pods a GPU gets), etc/default-counters.csv (names and help).
FB_RESERVED is among the default counters since 4.4 (August 2025); `Hostname` became `hostname` in May 2026.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from controlplane.exporters.cards import MIB, Card, Occupant

CONTENT_TYPE: Final = "text/plain; charset=utf-8"  # what Go guesses, for the exporter sets none
SAMPLE_SECONDS: Final = 30.0
"""Between two of its readings, by default; a scrape in between sees the last."""

_FREE, _USED, _RESERVED = "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED"
_HELP: Final = {
    _FREE: "Framebuffer memory free (in MiB).",
    _USED: "Framebuffer memory used (in MiB).",
    _RESERVED: "Framebuffer memory reserved (in MiB).",
}


class Sharing(Enum):
    """What the exporter makes of a GPU that several pods have."""

    ONE_POD = "the one that it met last, in an order that changes"
    MIRRORED = "KUBERNETES_VIRTUAL_GPUS: every pod gets the whole card's figures, with a label vgpu"
    PER_PROCESS = "the same since March 2026: used is each pod's own, beside a line without a pod for the card"


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGM:
    """One node's dcgm-exporter.

    `hostname_label` is `Hostname` or, since May 2026, `hostname`; `reserved` tells whether FB_RESERVED is among the
    counters, `pod_uid` whether that label was asked for.
    """

    node: str
    cards: tuple[Card, ...]
    hostname_label: str = "hostname"
    reserved: bool = True
    sharing: Sharing = Sharing.ONE_POD
    pod_uid: bool = False
    driver: str = "580.105.08"
    interval: float = SAMPLE_SECONDS

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        """The content type, whatever the client accepts, and the text."""
        del accept
        taken = seconds // self.interval * self.interval
        lines: list[str] = []
        for counter, help_ in _HELP.items():
            if counter != _RESERVED or self.reserved:
                lines += [f"# HELP {counter} {help_}", f"# TYPE {counter} gauge"]
                lines += [
                    f"{counter}{{{labels}}} {value // MIB}"  # rounded down, as NVML's bytes are
                    for card in self.cards
                    for labels, value in self._readings(counter, card, taken)
                ]
        return CONTENT_TYPE, "".join(f"{line}\n" for line in lines)

    def _readings(self, counter: str, card: Card, seconds: float) -> Iterator[tuple[str, int]]:
        """Labels and bytes of each line that a card gets."""
        device = (
            f'gpu="{card.index}",UUID="{card.uuid}",pci_bus_id="00000000:{0x3B + 4 * card.index:02X}:00.0",'
            f'device="nvidia{card.index}",modelName="{card.model}"'
        )
        host = f',{self.hostname_label}="{self.node}",DCGM_FI_DRIVER_VERSION="{self.driver}"'
        for part in card.slices:
            used = part.used(seconds)
            labels = f'{device},GPU_I_PROFILE="{part.profile}",GPU_I_ID="{part.instance}"{host}'
            value = {_FREE: part.memory - used, _USED: used, _RESERVED: 0}[counter]
            yield labels + ("" if part.occupant is None else self._pod(part.occupant)), value
        if not card.slices:
            used = card.used(seconds)
            value = {_FREE: card.memory - card.reserved - used, _USED: used, _RESERVED: card.reserved}[counter]
            for pod, own in self._pods(counter, card, seconds):
                yield device + host + pod, value if own is None else own

    def _pods(self, counter: str, card: Card, seconds: float) -> Iterator[tuple[str, int | None]]:
        """The pods' labels of each line, with the pod's own bytes where the line is not the whole card's."""
        shared = len(card.occupants) > 1
        if not card.occupants:
            yield "", None
        elif not shared:
            yield self._pod(card.occupants[0]), None
        elif self.sharing is Sharing.ONE_POD:
            yield self._pod(random.Random(f"{card.uuid} {seconds}").choice(card.occupants)), None
        elif self.sharing is Sharing.PER_PROCESS and counter == _USED:
            yield "", None
            for index, occupant in enumerate(card.occupants):
                yield self._pod(occupant, vgpu=index, uid=True), occupant.use(seconds)
        else:
            for index, occupant in enumerate(card.occupants):
                yield self._pod(occupant, vgpu=index), None

    def _pod(self, occupant: Occupant, *, vgpu: int | None = None, uid: bool = False) -> str:
        text = f',container="{occupant.container}",namespace="{occupant.namespace}",pod="{occupant.pod}"'
        if self.pod_uid or uid:
            text += f',pod_uid="{occupant.uid}"'
        return text if vgpu is None else f'{text},vgpu="{vgpu}"'
