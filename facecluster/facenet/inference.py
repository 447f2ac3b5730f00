"""A network as scans run it: nothing of training left, and the precision that the machine is fast
at."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facecluster.errors import ModelError
from facecluster.facenet.architectures import FaceNet
from facecluster.facenet.fold import folded
from facecluster.facenet.int8 import Int8FaceNet, fits, usable_ranges
from facecluster.facenet.precision import Precision, multiplies_bfloat16, multiplies_int8

__all__ = ["Inference"]


class Inference:
    """Embeds pictures by a network, on `device` and with convolutions in `precision`.

    device is what torch calls it; None is the GPU where there is one. precision None is the fastest
    of this machine, as is int8 for a network that cannot be made one of eight bits; a GPU computes
    in float32 unless told. ModelError for a device that cannot be used.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: float,
        std: float,
        device: str | None = None,
        precision: Precision | None = None,
    ) -> None:
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = _possible(network, self.device, precision)
        self._mean, self._std = mean, std
        if self.precision == "int8":
            ranges = usable_ranges()
            assert isinstance(network, FaceNet) and ranges is not None
            self._network: nn.Module = Int8FaceNet(network, ranges, mean=mean, std=std)
            return
        self._network = folded(network)
        if self.precision == "bfloat16":
            for module in self._network.modules():
                if isinstance(module, nn.Conv2d):
                    module.to(torch.bfloat16)
        try:
            self._network.to(self.device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"The device {self.device!r} cannot be used: {error}") from error

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """What the network says, (B, D) float32, of pictures (B, 3, H, W) in 0 to 255, bytes or
        floats."""
        rows: Tensor
        if self.precision == "int8":
            whole = pictures if pictures.dtype == torch.uint8 else pictures.round().to(torch.uint8)
            rows = self._network(whole.contiguous(memory_format=torch.channels_last))
            return rows
        standardised = (pictures.float() - self._mean) / self._std
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bfloat16"):
            rows = self._network(standardised.contiguous(memory_format=torch.channels_last))
        return rows.float()


def _possible(network: nn.Module, device: str, wanted: Precision | None) -> Precision:
    """The precision that is wanted, or the fastest one that the network and the machine have."""
    if wanted in ("float32", "bfloat16"):
        return wanted
    if not device.startswith("cpu"):
        return "float32"
    if (wanted == "int8" or multiplies_int8()) and usable_ranges() and fits(network):
        return "int8"
    return "bfloat16" if multiplies_bfloat16() else "float32"
