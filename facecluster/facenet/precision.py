"""Where arithmetic of less precision is worth it."""

from __future__ import annotations

import torch

__all__ = ["multiplies_bfloat16"]


def multiplies_bfloat16() -> bool:
    """Whether the CPU has AMX or AVX512-BF16; older torch cannot tell, which costs speed only."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)
