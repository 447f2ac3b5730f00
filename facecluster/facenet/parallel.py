"""Training by several processes as one, on several GPUs or machines, started by torchrun.

Every process draws the same batch, embeds its share, and is given the others' embeddings: triplets
are mined over the whole batch, and the sum of all gradients is that of one process with one loss.
Outside torchrun there is one process, and nothing here does anything. Only this module uses
torch.distributed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = [
    "agreed",
    "count",
    "device",
    "first_then_others",
    "gathered",
    "is_first",
    "joined",
    "rank",
    "same_buffers",
    "share",
    "sum_gradients",
]

# The others wait for the first while it judges, or reads thousands of pictures.
_PATIENCE = timedelta(hours=6)


@contextmanager
def joined() -> Iterator[None]:
    """Within it the processes that torchrun started work together."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(device())
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def count() -> int:
    """How many processes work together, 1 outside torchrun."""
    return torch.distributed.get_world_size() if _together() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return torch.distributed.get_rank() if _together() else 0


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def device() -> str:
    """The GPU of this process, "cpu" where there is none."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"


def share(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """This process's part of the rows: a run of them, as many as the others' or one more."""
    return np.array_split(rows, count())[rank()]


def gathered(mine: Tensor, total: int) -> Tensor:
    """All processes' rows in order, (total, D), from each one's share of them.

    The gradient that comes back is that of this process's rows. It is the whole one, as every
    process computes the same loss from the same rows: `sum_gradients` must add no more to it.
    """
    if count() == 1:
        return mine
    gathered_rows: Tensor = _Gathered.apply(mine, total)
    return gathered_rows


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, mine: Tensor, total: int) -> Tensor:
        sizes = [len(part) for part in np.array_split(np.arange(total), count())]
        context.begin = sum(sizes[: rank()])  # type: ignore[attr-defined]
        context.size = len(mine)  # type: ignore[attr-defined]
        # Shares may differ by one row, which not every backend can gather.
        padded = mine.new_zeros((max(sizes), *mine.shape[1:]))
        padded[: len(mine)] = mine
        parts = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(
        context: torch.autograd.function.FunctionCtx, *gradients: Tensor
    ) -> tuple[Tensor, None]:
        begin, size = context.begin, context.size  # type: ignore[attr-defined]
        return gradients[0][begin : begin + size], None


def sum_gradients(network: nn.Module) -> None:
    """Add up the gradients of all processes, in one message."""
    if count() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = _flat(gradients)
    torch.distributed.all_reduce(flat)
    _spread(flat, gradients)


def same_buffers(network: nn.Module) -> None:
    """Give all processes the first one's statistics of batch normalisation, in one message.

    # Differs from one process: each normalises its own share of the batch.
    """
    if count() == 1:
        return
    # The whole numbers among them count the batches, as many in each process.
    statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if statistics:
        flat = _flat(statistics)
        torch.distributed.broadcast(flat, 0)
        _spread(flat, statistics)


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _spread(flat: Tensor, tensors: list[Tensor]) -> None:
    """Copy the parts of `flat` back to where they came from."""
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def agreed(wish: bool) -> bool:
    """What the first process wishes, for all of them."""
    if count() == 1:
        return wish
    word = torch.tensor([wish], dtype=torch.uint8, device=device())
    torch.distributed.broadcast(word, 0)
    return bool(word.item())


@contextmanager
def first_then_others() -> Iterator[None]:
    """What is inside is done by the first process, then by the others, who find it done."""
    if count() > 1 and not is_first():
        torch.distributed.barrier()
    yield
    if count() > 1 and is_first():
        torch.distributed.barrier()


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
