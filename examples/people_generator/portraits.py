"""Paint a person around a drawn face: head, hair, neck and clothes, feathered so that the face
belongs to them.

All shapes are given in the pixels of the 128 x 128 face ("face pixels": eyes at (46, 60) and (81,
60), chin at about v = 122) and evaluated as distances from their edge, so that they are smooth at
every size and tilt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.float32]
Colour = tuple[int, int, int]

# What MTCNN boxes on an upright aligned face, in face pixels.
FACE_BOX = (22.0, 28.0, 105.0, 125.0)
MIDDLE = 63.5


@dataclass(frozen=True)
class Look:
    """What stays the same with a person: the hair (short, long, bun, curly, bob, receding) and its
    colour.
    """

    hair: str
    hair_colour: Colour
    fringe: float = 24.0  # where the hair ends on the forehead, in face pixels
    parting: float = 0.0  # tilt of the hairline, in radians


@dataclass(frozen=True)
class Place:
    """Where a face goes: the middle of the eyes' line in the photo, photo pixels a face pixel, tilt
    in radians.
    """

    x: float
    y: float
    scale: float
    tilt: float = 0.0

    def box(self) -> tuple[float, float, float, float]:
        """The upright box round the face, in pixels of the photo."""
        corners = np.array([(u, v) for u in FACE_BOX[::2] for v in FACE_BOX[1::2]])
        middle = np.array([MIDDLE, (FACE_BOX[1] + FACE_BOX[3]) / 2])
        # The box of a tilted face is about as large as that of an upright one: only its middle
        # moves.
        (x, y) = self.to_photo(middle[None])[0]
        half = (corners - middle).max(axis=0) * self.scale
        return (x - half[0], y - half[1], x + half[0], y + half[1])

    def to_photo(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) face pixels -> photo pixels."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        turn = np.array([[c, -s], [s, c]]) * self.scale
        moved: NDArray[np.float64] = (points - (MIDDLE, 60.0)) @ turn.T + (self.x, self.y)
        return moved


def _oval(u: Pixels, v: Pixels, x: float, y: float, rx: float, ry: float) -> Pixels:
    distance = np.sqrt(((u - x) / rx) ** 2 + ((v - y) / ry) ** 2) - 1
    return (distance * min(rx, ry)).astype(np.float32)


def _cover(distance: Pixels, soft: float) -> Pixels:
    """How much of a pixel lies inside: 1 within, 0 without, smooth over `soft` face pixels."""
    t = np.clip(0.5 - distance / soft, 0, 1)
    cover: Pixels = (t * t * (3 - 2 * t)).astype(np.float32)
    return cover


def _wave(rng: np.random.Generator, x: Pixels, knots: int) -> Pixels:
    """A smooth random function of x in [0, 1], values in [-1, 1]."""
    values = rng.uniform(-1, 1, knots + 2)
    at = np.clip(x, 0, 1) * knots
    low = at.astype(np.int64)
    part = at - low
    part = part * part * (3 - 2 * part)
    wave: Pixels = (values[low] * (1 - part) + values[low + 1] * part).astype(np.float32)
    return wave


def _blur(x: Pixels, radius: int) -> Pixels:
    """The mean over a square of 2 radius + 1 pixels, zero beyond the edge."""
    for axis in (0, 1):
        around = [(0, 0)] * x.ndim
        around[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(x, around), axis=axis, dtype=np.float64)
        high, low = [slice(None)] * x.ndim, [slice(None)] * x.ndim
        high[axis], low[axis] = slice(2 * radius + 1, None), slice(None, -2 * radius - 1)
        x = ((sums[tuple(high)] - sums[tuple(low)]) / (2 * radius + 1)).astype(np.float32)
    return x


def _head(face: NDArray[np.uint8]) -> tuple[Image.Image, Pixels]:
    """The face with its skin carried on around it, 192 x 192 with 32 pixels on each side; and the
    skin's colour.
    """
    v, u = np.mgrid[-32:160, -32:160].astype(np.float32)
    inside = _cover(_oval(u, v, MIDDLE, 80, 35, 46), 15)
    wide = np.zeros((192, 192, 3), np.float32)
    wide[32:160, 32:160] = face
    sure = _cover(_oval(u, v, MIDDLE, 80, 27, 40), 2)
    spread = np.zeros((192, 192, 4), np.float32)
    for radius, weight in ((5, 1.0), (12, 0.05), (30, 0.002)):
        layers = np.concatenate([wide * sure[:, :, None], sure[:, :, None] * 255], axis=2)
        spread += weight * _blur(_blur(layers, radius), radius)
    beyond = spread[:, :, :3] / np.maximum(spread[:, :, 3:] / 255, 1e-6)
    cheeks = np.concatenate([face[74:94, 36:46].reshape(-1, 3), face[74:94, 82:92].reshape(-1, 3)])
    skin = np.median(cheeks, axis=0).astype(np.float32)
    far = _cover(_oval(u, v, MIDDLE, 70, 50, 64), 20)[:, :, None]
    beyond = beyond * (0.35 + 0.35 * far) + skin * (0.65 - 0.35 * far)
    mixed = wide * inside[:, :, None] + beyond * (1 - inside[:, :, None])
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), skin


def _hair(u: Pixels, v: Pixels, look: Look) -> tuple[Pixels, Pixels]:
    """Distances from the hair behind the head and from the hair in front of it."""
    c, s = np.cos(look.parting), np.sin(look.parting)
    pu, pv = (u - MIDDLE) * c + (v - 70) * s + MIDDLE, -(u - MIDDLE) * s + (v - 70) * c + 70
    height = (128 - look.fringe) / 2 + 4
    opening = _oval(pu, pv, MIDDLE, look.fringe + height, 43.5, height)
    cap = _oval(u, v, MIDDLE, 50, 53, 56)
    back, ends = cap, v - 78
    if look.hair == "long":
        back = np.minimum(cap, np.maximum(_oval(u, v, MIDDLE, 100, 62, 92), 40 - v))
        ends = v - 165
        opening = np.minimum(opening, np.maximum(np.abs(u - MIDDLE) - 40, 84 - v))
    elif look.hair == "bob":
        back = np.minimum(cap, np.maximum(_oval(u, v, MIDDLE, 82, 59, 56), 40 - v))
        ends = v - 128
        opening = np.minimum(opening, np.maximum(np.abs(u - MIDDLE) - 41, 84 - v))
    elif look.hair == "bun":
        back = np.minimum(cap, _oval(u, v, MIDDLE, -10, 24, 22))
    elif look.hair == "curly":
        angles = np.linspace(np.pi * 0.92, np.pi * 2.08, 13)
        for angle in angles:
            x, y = MIDDLE + 50 * np.cos(angle), 50 + 52 * np.sin(angle)
            back = np.minimum(back, _oval(u, v, x, y, 17, 17))
        ends = v - 84
    elif look.hair == "receding":
        cap = _oval(u, v, MIDDLE, 56, 50, 57)
        back, ends = cap, v - 72
        opening = np.minimum(opening, _oval(u, v, MIDDLE, 45, 38, 45))
    front = np.maximum(np.maximum(back, -opening), ends)
    return np.maximum(back, ends) if look.hair not in ("long", "bob") else back, front


def _hair_paint(u: Pixels, v: Pixels, look: Look, rng: np.random.Generator) -> Pixels:
    """(H, W, 3) colours of the hair: strands from the crown, lighter where the light falls."""
    angle = (np.arctan2(v - 6, u - MIDDLE) / (2 * np.pi) + 0.5).astype(np.float32)
    far = (np.hypot(u - MIDDLE, v - 6) / 180).astype(np.float32)
    angle = (angle + 0.02 * _wave(rng, far, 5)).astype(np.float32)
    strands = 0.6 * _wave(rng, angle, 90) + 0.4 * _wave(rng, angle, 260)
    if look.hair == "curly":
        curls = np.sin(u / 3.1 + 2 * _wave(rng, (v / 200).astype(np.float32), 12)) * np.sin(
            v / 2.9 + 2 * _wave(rng, (u / 130).astype(np.float32), 9)
        )
        strands = 0.35 * strands + 0.6 * curls
    shine = np.exp(-(((v - 14) / 16) ** 2)) * (0.7 + 0.3 * strands)
    shade = 0.86 + 0.14 * strands + 0.3 * shine - 0.12 * np.clip((v - 60) / 100, 0, 1)
    colour = np.array(look.hair_colour, np.float32)
    return (colour * shade[:, :, None] + 14 * shine[:, :, None]).astype(np.float32)


def _clothes_paint(u: Pixels, v: Pixels, colour: Colour, style: int) -> Pixels:
    """(H, W, 3) colours of a plain, striped, or buttoned top."""
    light = 1.06 - 0.0022 * np.abs(u - 40) - 0.0012 * np.clip(v - 150, 0, None)
    folds = 0.03 * np.sin(u / 9 + v / 31) + 0.02 * np.sin(u / 4.3 - v / 17)
    shade = light + folds
    paint = np.array(colour, np.float32) * shade[:, :, None]
    if style == 1:
        stripe = _cover(
            (np.abs((v + 0.0015 * (u - MIDDLE) ** 2) % 26 - 13) - 4).astype(np.float32), 1.5
        )
        other = np.array([238, 232, 220], np.float32) * shade[:, :, None]
        paint = paint * (1 - stripe[:, :, None]) + other * stripe[:, :, None]
    if style == 2:
        seam = _cover((np.abs(u - MIDDLE) - 0.8).astype(np.float32), 1.2) * (v > 172)
        paint = paint * (1 - 0.25 * seam[:, :, None])
    return paint.astype(np.float32)


def paint(
    canvas: Pixels,
    face: NDArray[np.uint8],
    look: Look,
    place: Place,
    clothes: tuple[Colour, int],
    rng: np.random.Generator,
) -> None:
    """Paint a person into canvas (H, W, 3) in place; face is (128, 128, 3), clothes a colour and a
    cut (0-2).
    """
    height, width = canvas.shape[:2]
    reach = place.scale * 175
    x0, x1 = max(0, int(place.x - reach)), min(width, int(place.x + reach))
    y0, y1 = max(0, int(place.y - place.scale * 105)), height
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    c, s = np.cos(place.tilt) / place.scale, np.sin(place.tilt) / place.scale
    u = ((x - place.x) * c + (y - place.y) * s + MIDDLE).astype(np.float32)
    v = (-(x - place.x) * s + (y - place.y) * c + 60).astype(np.float32)
    # The body stands upright, whatever the head does.
    bu = ((x - place.x) / place.scale + MIDDLE + 60 * np.sin(place.tilt)).astype(np.float32)
    bv = ((y - place.y) / place.scale + 60).astype(np.float32)
    region = canvas[y0:y1, x0:x1]
    edge = max(1.2, 1.5 / place.scale)

    def lay(colours: Pixels, alpha: Pixels) -> None:
        region[:] = region * (1 - alpha[:, :, None]) + colours * alpha[:, :, None]

    head, skin = _head(face)
    behind, front = _hair(u, v, look)
    hair = _hair_paint(u, v, look, rng)
    lay(hair * 0.72, _cover(behind, 3))
    colour, style = clothes
    neck = np.maximum(np.abs(bu - MIDDLE) - 25 - 0.004 * np.clip(bv - 120, 0, None) ** 2, bv - 190)
    neck = np.maximum(neck, 90 - bv).astype(np.float32)
    under = 0.66 + 0.26 * np.clip((bv - 126) / 40, 0, 1) - 0.002 * np.abs(bu - 55)
    lay((skin * under[:, :, None]).astype(np.float32), _cover(neck, edge))
    torso = np.minimum(
        _oval(bu, bv, MIDDLE, 246, 104, 94), np.maximum(np.abs(bu - MIDDLE) - 104, 246 - bv)
    )
    cut = {0: (27.0, 20.0), 1: (29.0, 14.0), 2: (24.0, 36.0)}[style]
    collar = _oval(bu, bv, MIDDLE, 148, cut[0], cut[1])
    lay(_clothes_paint(bu, bv, colour, style), _cover(np.maximum(torso, -collar), edge))
    skull = np.minimum(_oval(u, v, MIDDLE, 66, 45, 58), _oval(u, v, MIDDLE, 84, 38.5, 41.5))
    ears = np.minimum(_oval(u, v, 17.5, 70, 6.5, 13), _oval(u, v, 109.5, 70, 6.5, 13))
    if look.hair not in ("long", "bob"):
        lay(
            (skin * (0.85 + 0.01 * (v[:, :, None] - 70) * 0)).astype(np.float32), _cover(ears, edge)
        )
    lay(_warp(head, u.shape, (x0, y0), place), _cover(skull, edge + 1))
    lay(hair, _cover(front, 7))


def _warp(
    head: Image.Image, shape: tuple[int, ...], corner: tuple[int, int], place: Place
) -> Pixels:
    """The head's picture (32 face pixels of surround) as seen in the photo's region."""
    times = 4 if place.scale > 1 else 1
    grown = head.resize((192 * times, 192 * times), Image.Resampling.BICUBIC)
    if times > 1:
        grown = grown.filter(ImageFilter.GaussianBlur(1.6)).filter(
            ImageFilter.UnsharpMask(radius=5, percent=60, threshold=0)
        )
    elif place.scale < 0.75:
        grown = grown.filter(ImageFilter.GaussianBlur(0.4 / place.scale))
    c, s = np.cos(place.tilt) / place.scale, np.sin(place.tilt) / place.scale
    dx, dy = corner[0] - place.x, corner[1] - place.y
    u0, v0 = dx * c + dy * s + MIDDLE + 32.5, -dx * s + dy * c + 60 + 32.5
    data = (c * times, s * times, u0 * times, -s * times, c * times, v0 * times)
    warped = grown.transform(
        (shape[1], shape[0]), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
    )
    return np.asarray(warped, np.float32)
