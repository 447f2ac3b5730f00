"""Questions about a photo: are two of them the same person, and who is on this one?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.network import library_model, open_analyzer, threshold_for
from facecluster.cli.options import SQUARED_DISTANCE, examples, with_library
from facecluster.cli.output import (
    Form,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    probability_text,
)
from facecluster.errors import LibraryError, UnreadableImage
from facecluster.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from facecluster.analyzer import Analyzer
    from facecluster.library import Library
    from facecluster.people import Identity
    from facecluster.records import Face

__all__ = ["COMMANDS"]

# Why one cannot be read is told where it is read, in the same words as by a scan.
PHOTO = click.Path(path_type=Path, dir_okay=False, readable=False)


@click.command()
@click.argument("a", type=PHOTO)
@click.argument("b", type=PHOTO)
@click.option("--model", metavar="NAME|PATH", help="The network [default: the bundled one].")
@click.option("--threshold", type=SQUARED_DISTANCE, metavar="D2", help="Squared distance.")
@json_option
@examples("verify passport.jpg camera.jpg", "verify a.jpg b.jpg --json")
def verify(a: Path, b: Path, model: str | None, threshold: float | None, as_json: bool) -> None:
    """Tell whether the main faces of photos A and B are the same person.

    The main face is the large one near the middle. Needs no library. The probability is by the
    network's calibration, where same and different people are as frequent.
    """
    analyzer = open_analyzer(model)
    one, other = (_main_embedding(analyzer, path) for path in (a, b))
    squared_distance = float(((one - other) ** 2).sum())
    limit = analyzer.embedder.thresholds["verify"] if threshold is None else threshold
    same = squared_distance <= limit
    calibration = analyzer.embedder.calibration
    probability = calibration.probability(squared_distance) if calibration else None
    if as_json:
        found = {"squared_distance": squared_distance, "threshold": limit, "same": same}
        print_json({**found, "probability": probability})
        return
    answer = "The same person" if same else "Different people"
    click.echo(f"{answer}: squared distance {squared_distance:.3f}, threshold {limit:.3f}.")
    if calibration and probability is not None:
        note(
            f"Probability of the same person {probability_text(probability)}, by the network's "
            f"calibration on {calibration.source}, if both answers were as likely before."
        )


def _main_embedding(analyzer: Analyzer, path: Path) -> NDArray[np.float32]:
    from facecluster.evaluate import main_face

    picture = analyzer.read(path)
    (found,) = analyzer.analyze([picture])
    if not found.faces:
        raise UnreadableImage(f"No face was found on {path}: try another photo of this person.")
    if len(found.faces) > 1:
        note(f"{path} shows {len(found.faces)} faces; the main one is compared.")
    row: NDArray[np.float32] = found.embeddings[
        main_face([face.box for face in found.faces], picture.width, picture.height)
    ]
    return row


@click.command()
@click.argument("photo", type=PHOTO)
@click.option("--model", metavar="NAME|PATH", help="The network [default: the last one].")
@click.option("--threshold", type=SQUARED_DISTANCE, metavar="D2", help="Squared distance.")
@click.option(
    "--neighbours",
    type=click.IntRange(min=1),
    metavar="K",
    help="Let the K nearest named faces vote, as in the paper.",
)
@form_options
@examples("identify party.jpg", "identify party.jpg --json")
@with_library
def identify(
    library: Library,
    photo: Path,
    model: str | None,
    threshold: float | None,
    neighbours: int | None,
    form: Form,
) -> None:
    """Tell who is on PHOTO, by the faces you named.

    That is the person with the nearest middle of all named faces, or with a single one that is much
    nearer; beyond the threshold a face is unknown. probability: that it is the person of the
    nearest face, by the network's calibration, when at first somebody named and somebody else are
    as probable. The photo need not be in the library and is not added. PHOTO may be a clip or a
    moment of one, clip.mp4#t=12.5; moment is in seconds.
    """
    from facecluster.people import identify as compare

    chosen = library_model(library, model)
    network = model or chosen.name
    limit = threshold_for(network, "identify") if threshold is None else threshold
    analyzer = open_analyzer(network)
    if analyzer.embedder.fingerprint != chosen.fingerprint:
        raise LibraryError(f"The network {network} has changed: scan your folders again first.")
    faces, embeddings, taken = _seen(analyzer, photo)
    answers = compare(
        library,
        chosen.id,
        embeddings,
        threshold=limit,
        k=neighbours,
        calibration=analyzer.embedder.calibration,
        taken=taken,
    )
    _print_answers(faces, answers, limit, form)
    if form == "table" and not faces:
        note("No face was found.")
    elif form == "table" and not library.people():
        hint("nobody has a name yet: 'facecluster groups', then 'facecluster name NUMBER NAME'")


def _seen(
    analyzer: Analyzer, photo: Path
) -> tuple[list[tuple[float | None, Face]], NDArray[np.float32], str | None]:
    """The faces on a photo, or on a clip's frames, with the moment of each; their unit rows; when
    it was taken."""
    import numpy as np

    names, pictures = zip(*analyzer.read_all(photo), strict=True)
    found = analyzer.analyze(pictures)
    faces = [
        (moment_of(f"{photo}{name}"), face)
        for name, one in zip(names, found, strict=True)
        for face in one.faces
    ]
    return faces, np.concatenate([one.embeddings for one in found]), pictures[0].taken_at


def _print_answers(
    faces: Sequence[tuple[float | None, Face]],
    answers: Sequence[Identity],
    limit: float,
    form: Form,
) -> None:
    rows = [
        {
            "box": [face.box.x0, face.box.y0, face.box.x1, face.box.y1],
            "person": answer.person if answer.person or form != "table" else "unknown",
            "probability": answer.probability,
            "squared_distance": answer.squared_distance,
            "threshold": limit,
            "nearest_face": answer.face,
            "moment": moment,
        }
        for (moment, face), answer in zip(faces, answers, strict=True)
    ]
    columns = ["box", "person", "squared_distance", "threshold", "nearest_face", "probability"]
    if form == "table":
        columns.insert(2, columns.pop())
        columns = [
            *(["moment"] if any(moment is not None for moment, _ in faces) else []),
            *columns,
        ]
    else:
        columns.append("moment")
    print_rows(rows, form, columns=columns)


COMMANDS = (verify, identify)
