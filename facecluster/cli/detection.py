"""How small a face may be that `scan` looks for: --min-face and --thorough."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

__all__ = ["DetectionSettings", "detection_options", "detection_settings"]

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """The smallest face looked for, as `Detector` takes it, and how large photos are read for it.

    min_face is in pixels of the full-size photo, min_share of its longer side; the larger counts.
    longest is what `images.read` takes. No face under 12 pixels of what it gives is found.
    """

    min_face: float
    min_share: float
    longest: int


_LEAST = 12  # pixels of the picture as it was read: the smallest face that the detector can see


class _Size(click.ParamType):  # type: ignore[type-arg]  # no arguments before click 8.3
    """40 is pixels, 2% a share: (pixels, share), one of them without effect."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(px|%)?", str(value).strip())
        number = float(match[1]) if match else 0.0
        if match and match[2] == "%" and 0 < number < 100:
            return 1.0, number / 100
        if match and match[2] != "%" and number >= 1:
            return number, 0.0
        self.fail(f"{value!r} is no size: give pixels, like 40, or a share, like 2%.", param, ctx)


def detection_options(command: Command) -> Command:
    """The options --min-face and --thorough, for `detection_settings`."""
    size = click.option(
        "--min-face",
        type=_Size(),
        metavar="SIZE",
        help="The smallest face to look for, in pixels, like 40, or as a share of the photo's"
        " longer side, like 2% [default: 32 pixels, or 0.8% where that is more].",
    )
    thorough = click.option(
        "--thorough",
        is_flag=True,
        help="Look for faces of half that size, in larger pictures: for crowds; slow.",
    )
    return size(thorough(command))


def detection_settings(
    min_face: tuple[float, float] | None, thorough: bool
) -> DetectionSettings | None:
    """What the options ask for; None when neither was given."""
    if min_face is None and not thorough:
        return None
    from facecluster.images import LONGEST

    pixels, share = min_face or (16.0, 0.004)
    # Small faces need larger pictures: up to 12 megapixels are read whole.
    larger = thorough or (pixels < 2 * _LEAST and not share)
    longest = 2 * LONGEST if larger else LONGEST
    if share:
        longest = max(longest, math.ceil(_LEAST / share))
    return DetectionSettings(pixels, share, longest)
