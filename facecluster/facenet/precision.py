"""Which precisions this machine computes fast: bfloat16, whole numbers of eight bits."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

__all__ = ["Precision", "half_precision", "multiplies_bfloat16", "multiplies_int8"]

# What the convolutions of a network compute in.
Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]


def multiplies_bfloat16() -> bool:
    """Whether the CPU has AMX or AVX512-BF16; older torch cannot tell, which costs speed only."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def half_precision(device: str, wanted: bool) -> torch.autocast:
    """Within it networks on this device compute in bfloat16 if that is wanted and saves time."""
    kind = torch.device(device).type
    # Other CPUs take nine times as long as in float32.
    faster = kind != "cpu" or multiplies_bfloat16()
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and faster)


def multiplies_int8() -> bool:
    """Whether the CPU has AVX2, by which whole numbers of eight bits are twice as fast as floats,
    or better, like AVX512-VNNI: four times."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
