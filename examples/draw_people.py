"""Draw the sample photos: people who do not exist, in places that do not exist.

    python examples/draw_people.py --generator generator.pt --data FOLDER
        draws examples/photos, photos.csv and people.npz (the identities that were drawn)
    python examples/draw_people.py --generator generator.pt --data FOLDER --candidates sheet.png
        shows the people one can choose from
    python examples/draw_people.py --check
        asks facecluster what it finds in the photos

The generator is trained by people_generator/train.py; FOLDER is the one it learned from. Every
person is an identity drawn at random, far from each of the real ones (a squared distance of 1.0 or
more): nobody is portrayed. With facecluster's bundled network in place, faces that it would not
take for the person they are meant to be are drawn again.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from people_generator import check
from people_generator.portraits import Colour, Look, Place, paint
from people_generator.scenes import SCENES, backdrop, finish
from people_generator.train import RESIDUAL, Decoder
from PIL import ExifTags, Image, ImageFilter

Vectors = NDArray[np.float32]

HERE = Path(__file__).resolve().parent
NOBODY = 1.0  # least squared distance of an invented identity from every real one
APART = 1.4  # least squared distance between two invented people
VIVID = 1.15  # how much of an identity to draw: a little more than it has, as a caricature does
POOL = 200  # candidates that the people below are chosen from by their number

BROWN, BLACK, FAIR, RED, GREY = (
    (84, 56, 40),
    (34, 30, 32),
    (186, 150, 92),
    (140, 72, 42),
    (164, 162, 160),
)
# name -> number of the candidate, look
PEOPLE: dict[str, tuple[int, Look]] = {
    "Ada": (93, Look("bun", BROWN, parting=0.1)),
    "Bruno": (11, Look("receding", GREY)),
    "Chidi": (129, Look("curly", BLACK)),
    "Dora": (81, Look("bob", RED, fringe=22, parting=-0.15)),
    "Emil": (56, Look("short", BLACK, fringe=22, parting=0.14)),
    "Fay": (77, Look("curly", BROWN)),
    "Greta": (71, Look("long", FAIR, parting=-0.2)),
    "Hana": (48, Look("bob", BLACK, fringe=31)),
    "Ivo": (190, Look("short", BROWN, fringe=30, parting=-0.2)),
}
CLOTHES: list[Colour] = [
    (64, 92, 140),
    (176, 76, 66),
    (92, 124, 92),
    (206, 172, 96),
    (112, 84, 128),
    (70, 76, 86),
    (222, 214, 200),
    (84, 146, 150),
]
SIZES = [(640, 480), (800, 600), (1024, 768), (1200, 900), (1280, 960), (900, 1200), (768, 1024)]
LARGE = [(1600, 1200), (2400, 1800)]
# To store a picture so that a viewer who obeys the tag sees it upright.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Shot:
    """One photo to draw."""

    file: str
    people: tuple[str, ...]
    scene: str
    size: tuple[int, int]
    orientation: int
    taken: datetime.datetime


class Artist:
    """Draws faces: (identity, residual) -> (128, 128, 3) uint8."""

    def __init__(self, generator: Path) -> None:
        state = torch.load(generator, weights_only=True)
        self._decoder = Decoder().eval()
        self._decoder.load_state_dict(state["average"])
        mean, square = state["residual_mean"], state["residual_square"]
        spread = square - mean.outer(mean) + 1e-4 * torch.eye(RESIDUAL)
        self._mean, self._root = mean, torch.linalg.cholesky(spread)

    def residuals(self, count: int, rng: np.random.Generator, strength: float) -> torch.Tensor:
        """(N, 24) as the encoder gives them; strength 0 is the usual pose and light, 1 all of its
        variety.
        """
        noise = np.clip(rng.standard_normal((count, RESIDUAL)), -2, 2).astype(np.float32)
        residuals: torch.Tensor = self._mean + strength * torch.from_numpy(noise) @ self._root.T
        return residuals

    def draw(self, identities: Vectors, residuals: torch.Tensor) -> NDArray[np.uint8]:
        """(N, 128, 128, 3) faces."""
        with torch.inference_mode():
            drawn = self._decoder(VIVID * torch.from_numpy(identities), residuals)
        # The decoder turns nine channels into 3 x 3 pixels: a mean over 3 x 3 leaves no trace of
        # that grid.
        drawn = F.avg_pool2d(drawn, 3, 1, 1, count_include_pad=False)
        pictures = ((drawn.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
        grown = [Image.fromarray(p).resize((128, 128), Image.Resampling.BICUBIC) for p in pictures]
        grown = [p.filter(ImageFilter.UnsharpMask(3, 70, 0)) for p in grown]
        return np.stack([np.asarray(p) for p in grown])


def candidates(data: Path) -> Vectors:
    """(POOL, 128) identities of nobody: spread as the real ones are, but far from every face there
    is.
    """
    real = np.load(data / "teacher.npy").astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    root = np.linalg.cholesky(np.cov(real.T) + 1e-6 * np.eye(real.shape[1]))
    rng = np.random.default_rng(2026)
    draws = rng.standard_normal((4 * POOL, real.shape[1])) @ root.T + real.mean(axis=0)
    draws /= np.linalg.norm(draws, axis=1, keepdims=True)
    invented = draws.astype(np.float32)
    nearest = 2 - 2 * (invented @ real.T).max(axis=1)
    nobody: Vectors = invented[nearest >= NOBODY][:POOL]
    return nobody


def cast(data: Path) -> dict[str, Vectors]:
    """The people's identities, each far from the others."""
    pool = candidates(data)
    identities = {name: pool[number] for name, (number, _) in PEOPLE.items()}
    vectors = np.stack(list(identities.values()))
    distances = 2 - 2 * vectors @ vectors.T + 4 * np.eye(len(vectors))
    if distances.min() < APART:
        i, j = np.unravel_index(int(distances.argmin()), distances.shape)
        names = list(identities)
        raise SystemExit(f"{names[i]} and {names[j]} look alike ({distances.min():.2f}).")
    return identities


def plan(rng: np.random.Generator) -> list[Shot]:
    """48 photos: 22 of one person, 16 of two, 7 of three, 3 of four; all about equally often."""
    counts = rng.permutation([1] * 22 + [2] * 16 + [3] * 7 + [4] * 3)
    seen = dict.fromkeys(PEOPLE, 0)
    shots = []
    days = np.sort(rng.choice(365 * 7, len(counts), replace=False))
    for index, (count, day) in enumerate(zip(counts.tolist(), days.tolist(), strict=True)):
        names = sorted(PEOPLE, key=lambda name: seen[name] + rng.uniform(0, 1.5))[:count]
        for name in names:
            seen[name] += 1
        taken = datetime.datetime(2017, 3, 4, 9) + datetime.timedelta(
            days=day, minutes=int(rng.integers(0, 600))
        )
        wide = [size for size in SIZES if size[0] > size[1]]
        small = SIZES if count == 1 else wide[2:] if count > 2 else wide
        size = LARGE[index // 12 % 2] if index % 12 == 5 else small[rng.integers(len(small))]
        scene = list(SCENES)[rng.integers(len(SCENES))]
        if scene == "snow" and taken.month in (5, 6, 7, 8, 9):
            scene = "meadow"
        turned = index % 3 == 1
        orientation = [6, 8, 3, 6, 5, 8, 2, 6, 7, 3, 4, 8][index // 3 % 12] if turned else 1
        file = f"{taken:%Y-%m-%d}-{scene}.jpg"
        shots.append(Shot(file, tuple(names), scene, size, orientation, taken))
    return shots


def places(shot: Shot, rng: np.random.Generator) -> list[Place]:
    """Where the people of a photo stand, side by side, from left to right."""
    width, height = shot.size
    count = len(shot.people)
    largest = 2.3 * max(1.0, height / 950)
    scale = min(width / (count * 165 + 50), height / 290, largest) * rng.uniform(0.84, 1.0)
    scale = max(scale, 0.95)
    step = min(width / count, 175 * scale)
    middle = width / 2 + rng.uniform(-0.3, 0.3) * max(0.0, width - step * count)
    found = []
    for index in range(count):
        x = middle + (index - (count - 1) / 2) * step + rng.uniform(-0.06, 0.06) * step
        y = height * rng.uniform(0.36, 0.46) + (index % 2) * 0.05 * height
        own = scale * rng.uniform(0.92, 1.06)
        # Not so high that the body would become a pillar.
        y = max(y, 92 * own, height - 320 * own)
        found.append(Place(x, y, own, math.radians(rng.uniform(-9, 9))))
    return found


def picture(
    shot: Shot, where: list[Place], faces: list[NDArray[np.uint8]], rng: np.random.Generator
) -> Image.Image:
    """The photo, upright."""
    canvas = backdrop(shot.scene, rng, *shot.size)
    for index in np.argsort([place.y for place in where]).tolist():
        clothes = (CLOTHES[rng.integers(len(CLOTHES))], int(rng.integers(3)))
        look = PEOPLE[shot.people[index]][1]
        paint(canvas, faces[index], look, where[index], clothes, rng)
    return finish(canvas, rng)


def save(image: Image.Image, shot: Shot, folder: Path) -> None:
    """As a camera would: turned, with the tag that says so and the date."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "Drawn portraits of people who do not exist"
    exif[ExifTags.Base.Software] = "facecluster examples/draw_people.py"
    exif[ExifTags.Base.Orientation] = shot.orientation
    taken = shot.taken.strftime("%Y:%m:%d %H:%M:%S")
    exif[ExifTags.Base.DateTime] = taken
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    if shot.orientation in STORED:
        image = image.transpose(STORED[shot.orientation])
    quality = 85 if max(shot.size) <= 1600 else 80
    image.save(folder / shot.file, quality=quality, exif=exif, optimize=True)


def good_faces(
    artist: Artist, identities: dict[str, Vectors], each: int, strength: float, model: str
) -> dict[str, NDArray[np.uint8]]:
    """(each, 128, 128, 3) faces a person: surely faces, and surely this person, for facecluster."""
    rng = np.random.default_rng(7)
    pools = {}
    for name, identity in identities.items():
        wanted = np.repeat(identity[None], 2 * each, axis=0)
        wanted += rng.normal(0, 0.012, wanted.shape).astype(np.float32)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        pools[name] = artist.draw(wanted, artist.residuals(len(wanted), rng, strength))
    portraits = {name: [_portrait(face, name) for face in pool] for name, pool in pools.items()}
    chosen = check.best(portraits, each, model)
    return {name: pools[name][rows] for name, rows in chosen.items()}


def _portrait(face: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    canvas = np.full((224, 224, 3), 150, np.float32)
    place = Place(112, 104, 1.1)
    paint(canvas, face, PEOPLE[name][1], place, (CLOTHES[0], 0), np.random.default_rng(0))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def draw(generator: Path, data: Path, photos: Path, strength: float, model: str) -> None:
    """Draw all photos, and the table of what is in them."""
    rng = np.random.default_rng(11)
    shots = plan(rng)
    need = {name: sum(name in shot.people for shot in shots) for name in PEOPLE}
    identities = cast(data)
    vectors = np.stack(list(identities.values()))
    np.savez(photos.parent / "people.npz", names=np.array(list(identities)), identities=vectors)
    faces = good_faces(Artist(generator), identities, max(need.values()), strength, model)
    photos.mkdir(parents=True, exist_ok=True)
    for old in photos.glob("*.jpg"):
        old.unlink()
    used = dict.fromkeys(PEOPLE, 0)
    rows = []
    for shot in shots:
        where = places(shot, rng)
        chosen = []
        for name, place in zip(shot.people, where, strict=True):
            chosen.append(faces[name][used[name]])
            used[name] += 1
            rows.append([shot.file, *(round(value) for value in place.box()), name])
        save(picture(shot, where, chosen, rng), shot, photos)
    with (photos.parent / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["file", "x0", "y0", "x1", "y1", "person"], *rows])


def sheet(generator: Path, data: Path, out: Path) -> None:
    """A numbered sheet of the candidates, each at the usual pose."""
    artist, pool = Artist(generator), candidates(data)
    usual = artist.residuals(POOL, np.random.default_rng(0), 0.0)
    faces = artist.draw(pool, usual)
    columns = 20
    rows = [np.hstack(list(faces[i : i + columns])) for i in range(0, POOL, columns)]
    Image.fromarray(np.vstack(rows)).save(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photos", type=Path, default=HERE / "photos")
    parser.add_argument("--strength", type=float, default=0.6, help="variety of pose and light")
    parser.add_argument("--candidates", type=Path, help="where to write the sheet of candidates")
    parser.add_argument("--model", default="nn4", help="the network that must tell them apart")
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(1)
    if not a.check and not (a.generator and a.data):
        parser.error("give --generator and --data, or --check")
    if a.candidates:
        sheet(a.generator, a.data, a.candidates)
    elif not a.check:
        draw(a.generator, a.data, a.photos, a.strength, a.model)
    if not a.candidates:
        check.report(a.photos, a.model)


if __name__ == "__main__":
    main()
