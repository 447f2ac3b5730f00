"""Tune the library's network to the people who were named, and install it if it is better."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.network import library_model, open_analyzer, use_network
from facecluster.cli.output import Progress, hint, note, print_rows
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.facenet.training import Training
    from facecluster.facenet.tuning import Split, Trial
    from facecluster.library import Library
    from facecluster.training_set import NamedFaces

    Vectors = NDArray[np.float32]

__all__ = ["SHARE", "tune_library"]

SHARE = 0.25  # of the people, and of everybody else's days, are held out


@dataclass(frozen=True, slots=True)
class Held:
    """The faces held out, before and after: vectors (N, D), and how many are of people held out."""

    identities: NDArray[np.int64]
    before: Vectors
    after: Vectors
    strangers: int

    def trials(self) -> dict[str, Trial | None]:
        """The comparison on people never trained on, on later days, and on all of them."""
        from facecluster.facenet.tuning import trial

        parts = {
            "people held out": slice(0, self.strangers),
            "later days": slice(self.strangers, None),
            "all": slice(None),
        }
        return {
            name: trial(self.identities[part], self.before[part], self.after[part])
            for name, part in parts.items()
        }


def tune_library(library: Library, settings: dict[str, Any], share: float) -> None:
    """Tune, judge, install if better, embed all faces again, and tell each of these."""
    base, path = _base(library)
    try:
        faces, parts = _faces(library, base, share, settings.get("seed", 0))
        training, held = _tuned(path, faces, parts, settings)
    except KeyboardInterrupt:
        note("Stopped: nothing was changed.")
        click.get_current_context().exit(130)
    trials = held.trials()
    _tell(trials)
    if not _better(trials):
        click.echo(f"{base} stays: VAL at the same FAR does not rise on the faces held out.")
        return
    name = _install(training, path, base, held)
    click.echo(f"The network {name} is installed; {base} is as it was.")
    try:
        done = use_network(library, name)
    except KeyboardInterrupt:
        note(f"Stopped: {base} is in use. 'facecluster models use {name}' goes on.")
        click.get_current_context().exit(130)
    click.echo(f"{counted(done.faces, 'face')} embedded again; all names are kept.")
    if done.left:
        left = counted(done.left, "face")
        note(f"{left} could not be seen again: 'facecluster scan' their folders.")
    hint(f"'facecluster group'; 'facecluster models use {base}' goes back")


def _base(library: Library) -> tuple[str, Path]:
    """The library's network and its file."""
    from facecluster.embed import find_model

    found = find_model(library_model(library, None).name)
    if found.path is None or found.path.suffix != ".safetensors":
        raise UsageError(
            f"{found.name} cannot be tuned, only facecluster's own networks can: "
            "'facecluster models use nn4' first."
        )
    return found.name, found.path


def _faces(library: Library, base: str, share: float, seed: int) -> tuple[NamedFaces, Split]:
    from facecluster.facenet.tuning import split
    from facecluster.training_set import read_named_faces

    with Progress("photos") as bar:
        faces = read_named_faces(library, read=open_analyzer(base).read, progress=bar.show)
    if faces.unreadable:
        are = counted(faces.unreadable, "photo is", "photos are")
        note(f"{are} changed or cannot be read: left out.")
    identities = faces.table.identities
    parts = split(identities, faces.days, share=share, seed=seed)
    known = parts.train[identities[parts.train] >= 0]
    note(
        f"{counted(len(known), 'named face')} of "
        f"{counted(_people(identities, known), 'person', 'people')} to train on; held out: "
        f"{len(parts.people)} of {counted(_people(identities, parts.people), 'other')}, "
        f"{len(parts.dates)} of later days."
    )
    return faces, parts


def _people(identities: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
    return len(set(identities[rows].tolist()))


def _tuned(
    path: Path, faces: NamedFaces, parts: Split, settings: dict[str, Any]
) -> tuple[Training, Held]:
    """The tuned network, and what it and the one before make of the faces held out."""
    import numpy as np

    from facecluster.facenet.training import embed_mirrored, picture_size
    from facecluster.facenet.tuning import TUNING, tune, tuned_from

    config = replace(TUNING, **settings)
    training = tuned_from(path, replace(config, cooldown=config.steps // 2))
    size = picture_size(training.config)
    held = faces.table.take(np.concatenate([parts.people, parts.dates]))
    before = embed_mirrored(training.average, held, size=size)
    if not any(Held(held.identities, before, before, len(parts.people)).trials().values()):
        raise UsageError(
            "Too few faces are held out to judge by, 100 pairs of two people are needed: raise "
            "--hold-out, or name more groups."
        )
    with Progress("steps") as bar:
        for step in tune(training, faces.table.take(parts.train)):
            bar.show(step.number, config.steps)
    after = embed_mirrored(training.average, held, size=size)
    return training, Held(held.identities, before, after, len(parts.people))


def _better(trials: dict[str, Trial | None]) -> bool:
    """Whether VAL rises on all that was held out, and does not fall on people never trained on."""
    every, strangers = trials["all"], trials["people held out"]
    rises = every is not None and every.after > every.before
    return rises and (strangers is None or strangers.after >= strangers.before)


def _tell(trials: dict[str, Trial | None]) -> None:
    rows = [
        {
            "held out": name,
            "pairs of one": one.same,
            "of two": one.different,
            "FAR": f"{one.far:g}",
            "VAL before": f"{one.before:.3f}",
            "after": f"{one.after:.3f}",
        }
        for name, one in trials.items()
        if one
    ]
    columns = ["held out", "pairs of one", "of two", "FAR", "VAL before", "after"]
    print_rows(rows, "table", columns=columns)


def _install(training: Training, path: Path, base: str, held: Held) -> str:
    """Write the network under a free name, with thresholds that let as many strangers in."""
    from facecluster.facenet.checkpoint import save
    from facecluster.facenet.header import read_header
    from facecluster.facenet.tuning import fit_distance_map
    from facecluster.installed import folder, free_name

    old = read_header(path)
    name = free_name(re.sub(r"-tuned-\d+$", "", base) + "-tuned")
    to_tuned = fit_distance_map(held.identities, held.before, held.after)
    header = replace(to_tuned.moved(old), name=name, created=date.today().isoformat())
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    save(training.average, folder() / f"{name}.safetensors", header)
    return name
