"""Training from a folder of pictures to a model that scans, at the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecluster import training_set
from facecluster.errors import TrainingError, UnreadableImage
from facecluster.images import Picture, read
from facecluster.training_set import MARGIN, SIDE, read_folder, read_targets

from .conftest import SAMPLES, Run

QUICK = ("--aligned", "--size", 48, "-P", 2, "-K", 2, "--hold-out", 0.4)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Six people with three aligned faces each; the same noise, a little varied."""
    chance = np.random.default_rng(0)
    for person in "abcdef":
        (tmp_path / "people" / person).mkdir(parents=True)
        look = chance.integers(0, 256, (14, 14, 3))
        for number in range(3):
            pixels = np.clip(look + chance.integers(-20, 20, look.shape), 0, 255).astype(np.uint8)
            image = Image.fromarray(pixels).resize((112, 112))
            image.save(tmp_path / "people" / person / f"{number}.png")
    return tmp_path / "people"


def test_a_model_is_trained_goes_on_and_scans(people: Path, run: Run, tmp_path: Path) -> None:
    model, plot = tmp_path / "mine.safetensors", tmp_path / "val.svg"
    words = ("train", people, "-o", model, *QUICK, "--every", 2)
    done = run(*words, "--steps", 4, "--plot", plot)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["step 2", "step 4"]
    assert "thresholds verify" in lines[2]
    assert "12 faces to train on; 6 of 2 others to judge by." in done.stderr
    assert f"Next: 'facecluster scan PATH --model {model}'" in done.stderr
    assert plot.read_text().startswith("<svg")
    log = (tmp_path / "mine.safetensors.training" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["number"] for line in log if "val" in line] == [2, 4]
    more = run(*words, "--steps", 6)
    assert "Going on after step 4 of 6." in more.stderr
    assert more.stdout.splitlines()[0].startswith("step 6:")
    shutil.copy(SAMPLES / "2017-03-14-room.jpg", tmp_path / "one.jpg")
    scan = run("scan", tmp_path / "one.jpg", "--model", model)
    assert scan.exit_code == 0, scan.stderr
    assert "Next: 'facecluster group'" in scan.stderr
    assert run("group").exit_code == 0  # the library's own network is found by its name
    assert "installed" in run("models", "info", "mine").stdout
    new = ("-o", tmp_path / "new.safetensors", "--harmonic-with", model)
    harmonic = run("train", people, *new, *QUICK, "--steps", 1)
    assert harmonic.exit_code == 0, harmonic.stderr
    assert "across models) at FAR 1e-2" in harmonic.stdout.splitlines()[0]


def test_nobody_trained_on_is_held_out_when_people_come(
    people: Path, run: Run, tmp_path: Path
) -> None:
    words = ("train", people, "-o", tmp_path / "m.safetensors", *QUICK, "--miner", "offline")
    assert run(*words, "--steps", 1).exit_code == 0
    record = tmp_path / "m.safetensors.training" / "held.json"
    names = json.loads(record.read_text())
    assert len(names) == 2
    for newcomer in ("0", "1", "z"):
        shutil.copytree(people / "a", people / newcomer)
    more = run(*words, "--steps", 2, "--seed", 5, "--hold-out", 0.6)
    assert more.exit_code == 0, more.stderr
    assert "held out stay those that were at first" in more.stderr
    assert "21 faces to train on; 6 of 2 others to judge by." in more.stderr
    assert json.loads(record.read_text()) == names
    shutil.rmtree(people / names[0])
    done = run(*words, "--steps", 3)
    assert "1 person is held out, too few to judge by: put their pictures back" in done.stderr
    record.write_text("{")
    assert "held.json is damaged" in run(*words, "--steps", 3).stderr


def test_photos_are_detected_and_aligned(run: Run, tmp_path: Path) -> None:
    """Photos of the sample people, and what is no face or no picture is told."""
    from facecluster.cli.network import open_analyzer

    rows = [line.split(",") for line in (SAMPLES.parent / "photos.csv").read_text().splitlines()]
    files = [row[0] for row in rows]
    alone = [(row[5], row[0]) for row in rows[1:] if files.count(row[0]) == 1]
    for person, file in alone:
        (tmp_path / "p" / person).mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / file, tmp_path / "p" / person)
    (tmp_path / "p" / alone[0][0] / "broken.jpg").write_bytes(b"no picture")
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "p" / alone[0][0] / "wall.png")
    analyzer, cache = open_analyzer(None), tmp_path / "faces.npz"
    told: list[tuple[int, int]] = []
    found = read_folder(
        tmp_path / "p",
        cache=cache,
        analyzer=analyzer,
        progress=lambda *counts: told.append(counts),
    )
    assert len(found.table) == len(alone)
    assert found.table.pixels.shape == (len(alone), SIDE, SIDE, 3)
    assert sum("broken.jpg is not a picture" in one for one in found.skipped) == 1
    assert sum("No face was found" in one and "wall.png" in one for one in found.skipped) == 1
    assert told[-1] == (len(alone) + 2,) * 2
    told.clear()
    again = read_folder(
        tmp_path / "p",
        cache=cache,
        analyzer=analyzer,
        progress=lambda *counts: told.append(counts),
    )
    assert told == [(1, 1)]  # only what could not be read is tried again
    assert (again.table.pixels == found.table.pixels).all()
    assert again.paths == found.paths


def test_aligned_faces_get_a_margin_and_a_changed_folder_is_read_anew(
    people: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "faces.npz"
    found = read_folder(people, cache=cache, analyzer=None)
    inner = found.table.pixels[0, MARGIN:-MARGIN, MARGIN:-MARGIN]
    with Image.open(people / found.paths[0]) as image:
        assert (inner == np.asarray(image)).all()
    assert found.table.identities.tolist() == np.repeat(np.arange(6), 3).tolist()
    shutil.copy(people / "a" / "0.png", people / "a" / "9.png")
    assert len(read_folder(people, cache=cache, analyzer=None).table) == 19
    cache.write_bytes(b"damaged")
    assert len(read_folder(people, cache=cache, analyzer=None).table) == 19


def test_a_folder_may_be_named_from_beside_it(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(people / "a")
    found = read_folder(Path("../../people"), cache=tmp_path / "faces.npz", analyzer=None)
    assert found.paths[:2] == ("a/0.png", "a/1.png")


def test_pictures_that_are_read_again_are_found_and_others_are_not_read_twice(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reading(path: Path) -> Picture:
        looked.append(path.relative_to(people).as_posix())
        if path.name == "1.png" and not healed:
            raise UnreadableImage("may not be read")
        return read(path)

    looked: list[str] = []
    healed = False
    monkeypatch.setattr(training_set, "read", reading)
    cache = tmp_path / "faces.npz"
    found = read_folder(people, cache=cache, analyzer=None)
    assert len(found.table) == 12 and found.skipped == ("may not be read",) * 6
    looked.clear()
    healed = True
    again = read_folder(people, cache=cache, analyzer=None)
    assert looked == [f"{person}/1.png" for person in "abcdef"]
    looked.clear()
    shutil.copytree(people / "a", people / "A")
    (people / "c" / "0.png").unlink()
    more = read_folder(people, cache=cache, analyzer=None)
    assert looked == ["A/0.png", "A/1.png", "A/2.png"]
    fresh = read_folder(people, cache=tmp_path / "other.npz", analyzer=None)
    assert len(again.table) == 18 and more.paths == fresh.paths and len(fresh.paths) == 20
    assert (more.table.pixels == fresh.table.pixels).all()
    assert more.table.identities.tolist() == fresh.table.identities.tolist()


def test_a_stop_among_the_pictures_is_told(
    people: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(folder: Path, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_set, "read_folder", stop)
    done = run("train", people, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.exit_code == 130
    assert "Stopped: the faces found are kept; run the same again to go on." in done.stderr


@pytest.mark.parametrize("option", ["--start", "--harmonic-with"])
def test_a_model_that_is_none_is_told_before_the_pictures_are_read(
    option: str, people: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_set, "read_folder", None)
    (tmp_path / "none.safetensors").write_bytes(b"none")
    words = (option, tmp_path / "none.safetensors")
    done = run("train", people, "-o", tmp_path / "m.safetensors", *QUICK, *words)
    assert done.exit_code == 1 and "is not a facecluster network" in done.stderr


def test_a_place_where_nothing_can_be_is_told_before_the_pictures_are_read(
    people: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_set, "read", None)
    (tmp_path / "file").write_bytes(b"")
    done = run("train", people, "-o", tmp_path / "file" / "m.safetensors", *QUICK)
    assert done.exit_code == 1 and "Not a directory" in done.stderr


def test_what_was_found_before_a_stop_is_kept(people: Path, tmp_path: Path) -> None:
    for person in "abcdef":
        for number in range(3, 6):
            shutil.copy(people / person / "0.png", people / person / f"{number}.png")
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done == 32 and len(told) == 2:
            raise KeyboardInterrupt

    cache = tmp_path / "faces.npz"
    with pytest.raises(KeyboardInterrupt):
        read_folder(people, cache=cache, analyzer=None, progress=stop)
    assert len(read_folder(people, cache=cache, analyzer=None, progress=stop).table) == 36
    assert told == [(16, 36), (32, 36), (4, 4)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_cache_cut_short_is_made_anew(people: Path, tmp_path: Path, share: float) -> None:
    cache = tmp_path / "faces.npz"
    read_folder(people, cache=cache, analyzer=None)
    whole = cache.read_bytes()
    cache.write_bytes(whole[: int(share * len(whole))])
    assert len(read_folder(people, cache=cache, analyzer=None).table) == 18
    assert cache.read_bytes() == whole


def test_somebody_with_one_picture_is_told(people: Path, tmp_path: Path) -> None:
    (people / "a" / "1.png").unlink()
    (people / "a" / "2.png").unlink()
    found = read_folder(people, cache=tmp_path / "f.npz", analyzer=None)
    assert found.skipped == ("a has one picture: it makes no pair.",)


def test_a_teacher_is_read_from_a_table(people: Path, run: Run, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    names = sorted(path.relative_to(people).as_posix() for path in people.rglob("*.png"))
    table = tmp_path / "t.csv"
    vectors = {name: chance.normal(size=16) for name in names}
    table.write_text(
        "".join(f"{name},{','.join(map(str, vectors[name]))}\n" for name in reversed(names))
    )
    found = read_targets(table, names)
    wanted = np.array([vectors[name] / np.linalg.norm(vectors[name]) for name in names])
    assert np.allclose(found, wanted, atol=1e-6)
    words = ("--dimension", 16, "--batch", 6, "--steps", 2, "--distill", table)
    done = run("train", people, "-o", tmp_path / "m.safetensors", *QUICK, *words)
    assert done.exit_code == 0, done.stderr
    table.write_text("elsewhere.png,1,2\n")
    with pytest.raises(TrainingError, match=r"has no embedding of a/0\.png"):
        read_targets(table, names)
    for word in ("two", "inf", "nan", "0"):
        table.write_text("".join(f"{name},0,{word}\n" for name in names))
        with pytest.raises(TrainingError, match="no table of embeddings"):
            read_targets(table, names)
    table.write_text("".join(f"{name},3e30,4e30\n" for name in names))
    assert np.allclose(read_targets(table, names), [0.6, 0.8])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", 2, "--size", 48, "--architecture", "nns2"), "takes no faces of 48 x 48"),
        (("--hold-out", 0.01), "too few to judge by"),
        (("-P", 30), "needs as many with two faces"),
        (("--plot", "a.png"), "is no .svg"),
        (("--plot", "not-there/a.svg"), "not-there is no folder"),
        (("--seed", -1), "-1 is not in the range"),
        (("--seed", 2**63), "is not in the range"),
        (("--learning-rate", "inf"), "inf is not in the range"),
        (("--distill", "a.csv", "--harmonic-with", "b.safetensors"), "cannot both be"),
        (("--harmonic-with", "not-there.safetensors"), "cannot be read"),
        (("--start", "not-there.safetensors"), "cannot be read"),
    ],
)
def test_bad_choices_are_one_sentence(
    people: Path, run: Run, tmp_path: Path, words: tuple[object, ...], sentence: str
) -> None:
    done = run("train", people, "-o", tmp_path / "m.safetensors", *QUICK, *words)
    assert done.exit_code in (1, 2)
    assert sentence in done.stderr
    assert done.stderr.count("Error:") == 1


def test_bad_folders_are_one_sentence(people: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, sentence in [
        (tmp_path / "none", "is no folder"),
        (tmp_path / "empty", "has no pictures in folders"),
        (people / "a", "has no pictures in folders"),
    ]:
        done = run("train", folder, "-o", tmp_path / "m.safetensors", *QUICK)
        assert done.exit_code == 1
        assert sentence in done.stderr
    assert not (tmp_path / "m.safetensors.training").exists()
    shutil.rmtree(people / "b")
    for person in "cdef":
        (people / person / "0.png").unlink()
        (people / person / "1.png").unlink()
    done = run("train", people, "-o", tmp_path / "m.safetensors", *QUICK)
    assert "has not two people with two faces each" in done.stderr
    assert run("train", people, "-o", tmp_path / "m.bin").exit_code == 2
