"""`train --library` and `models use`: a network of one's own, there and back, names kept."""

from __future__ import annotations

import dataclasses
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecluster.cli import tune as tuning
from facecluster.errors import ModelError
from facecluster.facenet.tuning import Trial
from facecluster.installed import folder, free_name, install, installed_file
from facecluster.library import Library
from facecluster.people import name_faces
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

from .conftest import SAMPLES, Run

PEOPLE, EACH = 7, 6
# Landmarks of a 112-pixel face that fills its photo.
AT = ((38.0, 52.0), (74.0, 52.0), (56.0, 72.0), (42.0, 92.0), (71.0, 92.0))
QUICK = ("--steps", 2, "-P", 3, "-K", 2, "--batch", 4, "--hold-out", 0.5)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The bundled network on 32-pixel faces, under another name."""
    from facecluster.embed import BUNDLED, find_model
    from facecluster.facenet.checkpoint import load, save

    bundled = find_model(BUNDLED).path
    assert bundled is not None
    network, header = load(bundled)
    path = tmp_path / "small.safetensors"
    network.projection.bias.data += 1e-3  # other weights, another fingerprint
    save(network, path, dataclasses.replace(header, name="small", height=32, width=32))
    return path


@pytest.fixture
def album(small: Path, tmp_path: Path, run: Run) -> Path:
    """Photos of seven people on two days, each named, seen by the small network."""
    chance = np.random.default_rng(0)
    looks = chance.integers(0, 256, (PEOPLE, 14, 14, 3))
    path = tmp_path / "library.sqlite"
    with Library.open(path) as library:
        model = library.scanned.register_model(fingerprint="old", name="nn4", dimension=128)
        library.scanned.add(
            [_photo(tmp_path, looks[i % PEOPLE], i) for i in range(PEOPLE * EACH)],
            detector="test",
            model=model,
        )
        library.scanned.finish(model)
        faces = [face.face for face in library.faces()]
        for person in range(PEOPLE):
            name_faces(library, faces[person::PEOPLE], f"p{person}", command="test")
    assert run("models", "use", small).exit_code == 0
    return path


def _photo(folder: Path, look: np.ndarray, number: int) -> Analysis:
    chance = np.random.default_rng(number)
    pixels = np.clip(look + chance.integers(-20, 20, look.shape), 0, 255).astype(np.uint8)
    path = folder / f"{number:03}.png"
    Image.fromarray(pixels).resize((112, 112)).save(path)
    stat = path.stat()
    face = Face(Box(0.0, 0.0, 112.0, 112.0), AT, 0.99, Quality(45.0, 300.0, 0.0))
    day = "2020-01-01" if number < PEOPLE * EACH // 2 else "2021-01-01"
    return Analysis(
        FileStamp(str(path), stat.st_size, stat.st_mtime_ns),
        Photo(f"{number:064}", 112, 112, 1, f"{day}T10:00:00"),
        (face,),
        np.eye(128, dtype=np.float32)[number][None],
    )


def names(path: Path) -> dict[int, str | None]:
    with Library.open(path) as library:
        return {face.face: face.person for face in library.faces()}


def test_a_better_network_is_installed_and_the_old_one_comes_back(
    album: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_or_no_better(run, monkeypatch)
    assert installed_file("small-tuned-1") is None
    with Library.open(album) as library:
        assert library.models()[0].name == "small"
    before = names(album)
    monkeypatch.setattr(tuning, "_better", lambda trials: True)
    done = run("train", "--library", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "held out: 24 of 4 others, 9 of later days." in done.stderr
    assert done.stdout.splitlines()[0].split() == (
        ["held", "out", "pairs", "of", "one", "of", "two", "FAR", "VAL", "before", "after"]
    )
    assert "small-tuned-1 is installed; small is as it was." in done.stdout
    assert "42 faces embedded again; all names are kept." in done.stdout
    assert names(album) == before
    with Library.open(album) as library:
        tuned, old, *_ = library.models()
        assert (tuned.name, old.name) == ("small-tuned-1", "small")
        assert tuned.faces == old.faces == 42
        ours, theirs = library.embeddings(tuned.id)[1], library.embeddings(old.id)[1]
        assert not np.array_equal(ours, theirs)
    assert "small-tuned-1" in run("models", "list").stdout
    back = run("models", "use", "small")
    assert back.exit_code == 0
    assert "The library uses small now: 0 faces embedded for it." in back.stdout
    assert "'facecluster models use small-tuned-1' goes back" in back.stderr
    assert "goes back" not in run("models", "use", "small").stderr
    with Library.open(album) as library:
        assert library.models()[0].name == "small"
        assert np.array_equal(library.embeddings(library.models()[0].id)[1], theirs)


def stopped_or_no_better(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from facecluster.facenet import tuning as steps

    def stop(*_: object) -> Iterator[None]:
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch:
        patch.setattr(steps, "tune", stop)
        done = run("train", "--library", *QUICK)
    assert done.exit_code == 130
    assert "Stopped: nothing was changed." in done.stderr
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "_better", lambda trials: False)
        done = run("train", "--library", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "small stays: VAL at the same FAR does not rise" in done.stdout


@pytest.mark.usefixtures("album")
def test_too_few_to_judge_by_is_told_before_the_training(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facecluster.facenet import tuning as steps

    monkeypatch.setattr(steps, "tune", None)
    done = run("train", "--library", *QUICK, "--hold-out", 0)
    assert done.exit_code == 2
    assert "Too few faces are held out to judge by, 100 pairs of two people" in done.stderr


@pytest.mark.parametrize(
    ("every", "strangers", "better"),
    [
        ((0.5, 0.6), (0.5, 0.5), True),
        ((0.5, 0.6), None, True),
        ((0.5, 0.6), (0.5, 0.4), False),
        ((0.5, 0.5), (0.5, 0.6), False),
        (None, None, False),
    ],
)
def test_better_is_a_rise_that_costs_no_stranger(
    every: tuple[float, float] | None, strangers: tuple[float, float] | None, better: bool
) -> None:
    def trial(values: tuple[float, float] | None) -> Trial | None:
        return Trial(100, 1000, 1e-2, *values) if values else None

    assert tuning._better({"all": trial(every), "people held out": trial(strangers)}) is better


@pytest.mark.usefixtures("database")
def test_a_network_that_cannot_be_used_is_not_kept(small: Path, tmp_path: Path, run: Run) -> None:
    from facecluster.facenet.checkpoint import load, save

    network, header = load(small)
    network.projection.bias.data.fill_(float("nan"))
    lost = tmp_path / "lost.safetensors"
    save(network, lost, header)
    done = run("models", "use", lost)
    assert done.exit_code == 1
    assert "gives no numbers: choose another" in done.stderr
    assert "lost" not in run("models", "list").stdout


def test_a_photo_that_changed_or_went_is_left_out_and_told(album: Path, run: Run) -> None:
    (album.parent / "000.png").unlink()
    (album.parent / "001.png").write_bytes(b"something else")
    done = run("models", "use", "nn4")
    assert done.exit_code == 0, done.stderr
    assert "40 faces embedded for it." in done.stdout
    assert "2 faces could not be seen again" in done.stderr
    with Library.open(album) as library:
        assert not library.status().unreadable  # nothing was said of the files


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--library", "-o", "x.safetensors"), "--library takes no DIR"),
        (("--library", "--dimension", 64), "--dimension is not for --library"),
        ((), "Say DIR and -o MODEL, or --library."),
        (("--library",), "needs 6 people with 3 named faces each: there are 0"),
    ],
)
def test_bad_words_are_one_sentence(
    database: Path, run: Run, words: tuple[object, ...], sentence: str
) -> None:
    done = run("train", *words)
    assert done.exit_code in (1, 2)
    assert sentence in done.stderr
    assert done.stderr.count("Error:") == 1


def test_a_published_network_cannot_be_tuned(database: Path, run: Run) -> None:
    with Library.open(database) as library:
        model = library.scanned.register_model(fingerprint="v", name="vggface2", dimension=512)
        library.scanned.use(model)
    done = run("train", "--library")
    assert done.exit_code == 2
    assert "vggface2 cannot be tuned" in done.stderr


def test_a_network_is_kept_under_its_name(small: Path, tmp_path: Path) -> None:
    from facecluster.facenet.checkpoint import load, save

    assert free_name("small") == "small-1"
    kept = install(small)
    assert kept == folder() / "small.safetensors" == installed_file("small")
    assert install(small) == kept
    network, header = load(small)
    network.projection.bias.data += 1
    for name in ("small", "nn4", "dlib"):
        other = tmp_path / "other" / f"{name}.safetensors"
        other.parent.mkdir(exist_ok=True)
        save(network, other, header)
        with pytest.raises(ModelError, match=f"Another network is called {name}: rename {other}"):
            install(other)
    install(other.rename(tmp_path / "small-1.safetensors"))
    assert free_name("small") == "small-2"


def test_a_full_disk_leaves_nothing_of_a_network(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_some(source: Path, target: Path) -> None:
        target.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copy_some)
    with pytest.raises(ModelError, match=r"cannot be copied to .*: No space left"):
        install(small)
    assert not list(folder().iterdir())


def test_a_copy_of_a_bundled_network_is_that_network(tmp_path: Path) -> None:
    from facecluster.embed import BUNDLED, find_model

    bundled = find_model(BUNDLED).path
    assert bundled is not None
    assert install(Path(shutil.copy(bundled, tmp_path))) == bundled
    assert not folder().exists()


@pytest.mark.parametrize("words", [("models", "use"), ("scan", SAMPLES, "--model")])
def test_a_network_that_is_called_as_another_is_not_mistaken_for_it(
    words: tuple[str, ...], small: Path, database: Path, run: Run
) -> None:
    before = run("status", "--json").stdout
    done = run(*words, small.rename(small.with_name("nn4.safetensors")))
    assert done.exit_code == 1
    assert "Another network is called nn4: rename" in done.stderr
    assert run("status", "--json").stdout == before


def test_a_network_that_is_kept_already_is_not_tried_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facecluster import embed
    from facecluster.cli.network import keep

    assert keep(str(small)).state == "installed"
    monkeypatch.setattr(embed, "open_model", None)  # which a scan of nothing new would wait for
    assert keep(str(small)).state == "installed"


def test_a_choice_is_no_scan(database: Path) -> None:
    with Library.open(database) as library:
        last = library.status().last_scan
        model = library.scanned.register_model(fingerprint="new", name="new", dimension=32)
        library.scanned.use(model)
        assert library.models()[0].name == "new"
        assert library.status().last_scan == last
