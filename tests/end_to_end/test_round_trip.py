"""Names that leave in sidecars come back to a library made anew, by a real scan of real files."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from PIL import Image, ImageOps

SAMPLE = Path(__file__).parent.parent.parent / "examples" / "photos" / "2018-03-10-beach.jpg"
# What turns an upright picture into the one that is stored with this EXIF orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

Run = Callable[..., Result]


def turned(folder: Path) -> None:
    """The sample photo, small, in all eight orientations; all look the same."""
    folder.mkdir()
    with Image.open(SAMPLE) as photo:
        upright = ImageOps.exif_transpose(photo).reduce(2)
    for orientation, turn in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if turn is None else upright.transpose(turn)
        stored.save(folder / f"{orientation}.jpg", exif=exif, quality=92)


def shown(run: Run) -> list[tuple[str, list[float], str | None]]:
    rows = json.loads(run("faces", "--json").stdout)
    return sorted((one["path"], one["box"], one["person"]) for one in rows)


def test_in_eight_orientations_every_name_comes_back(run: Run, tmp_path: Path) -> None:
    album, database = tmp_path / "album", tmp_path / "library.sqlite"
    turned(album)
    assert run("scan", album).exit_code == 0
    faces = json.loads(run("faces", "--json").stdout)
    people = len(faces) // 8
    assert people >= 2 and len(faces) == 8 * people
    for path in {face["path"] for face in faces}:
        here = sorted((one["box"], one["face"]) for one in faces if one["path"] == path)
        for name, (_, face) in zip(("Left", "Middle", "Right"), here, strict=False):
            run("name", "--face", face, name)
    before = shown(run)
    assert run("export", "xmp").exit_code == 0
    for file in tmp_path.glob(f"{database.name}*"):
        file.unlink()
    assert run("scan", album).exit_code == 0
    assert {person for *_, person in shown(run)} == {None}
    assert "0 not found" in run("import", "xmp").stdout
    assert shown(run) == before
