import io
from pathlib import Path

import numpy as np
from PIL import Image

from facecluster.images import read
from facecluster.portraits import as_jpeg, cut, portraits, thumbnails
from facecluster.records import Box


def photo(path: Path, size: tuple[int, int] = (400, 300)) -> Path:
    """Grey, with a red square at 100..200, 50..150 of 400 x 300."""
    image = Image.new("RGB", size, (128, 128, 128))
    scale = size[0] / 400
    image.paste("red", tuple(round(scale * edge) for edge in (100, 50, 200, 150)))
    image.save(path, quality=95)
    return path


def is_red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60)


def test_a_face_is_cut_with_a_little_around_it(tmp_path: Path) -> None:
    picture = read(photo(tmp_path / "a.png"))
    red = is_red(np.asarray(cut(picture, Box(100, 50, 200, 150), 130)))
    inside = np.flatnonzero(red.any(axis=0))
    # 1.3 times the box: 15 % of it on each side
    assert abs(inside[0] - 15) <= 1 and abs(inside[-1] - 114) <= 1
    assert red.any(axis=1).sum() == red.any(axis=0).sum()


def test_a_large_photo_is_read_reduced_and_cut_at_the_same_place(tmp_path: Path) -> None:
    picture = read(photo(tmp_path / "a.jpg", (4000, 3000)))
    assert picture.scale > 1
    red = is_red(np.asarray(cut(picture, Box(1000, 500, 2000, 1500), 130)))
    assert abs(red.any(axis=0).sum() - 100) <= 3


def test_beyond_the_edges_it_is_black(tmp_path: Path) -> None:
    picture = read(photo(tmp_path / "a.png"))
    corner = np.asarray(cut(picture, Box(-50, -50, 50, 50), 100))
    assert corner[:40, :40].max() == 0
    assert corner[-20:, -20:].min() > 100


def test_each_photo_is_read_once_and_one_that_is_gone_is_none(tmp_path: Path, monkeypatch) -> None:
    from facecluster import portraits as module

    seen = []
    monkeypatch.setattr(
        module, "read", lambda path, longest: seen.append(path) or read(path, longest=longest)
    )
    here, gone = str(photo(tmp_path / "a.png")), str(tmp_path / "b.png")
    box = Box(100, 50, 200, 150)
    found = dict(portraits({1: (here, box), 2: (gone, box), 3: (here, box)}, 20))
    assert sorted(found) == [1, 2, 3]
    assert found[2] is None
    assert found[1].size == found[3].size == (20, 20)
    assert sorted(seen) == [Path(here), Path(gone)]


def test_thumbnails_keep_their_shape(tmp_path: Path) -> None:
    here = str(photo(tmp_path / "a.jpg", (4000, 3000)))
    found = dict(thumbnails({7: here, 8: str(tmp_path / "gone.jpg")}, 400))
    assert found[7].size == (400, 300)
    assert found[8] is None


def test_a_jpeg_is_a_jpeg() -> None:
    data = as_jpeg(Image.new("RGB", (8, 6), "red"))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", (8, 6))
