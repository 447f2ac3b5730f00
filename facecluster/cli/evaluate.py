"""How good a network is, on pictures of known people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.network import open_analyzer
from facecluster.cli.options import check_plot, examples, with_library, write_plot
from facecluster.cli.output import (
    Form,
    Progress,
    form_options,
    json_option,
    note,
    print_json,
    print_rows,
)
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from facecluster.evaluate import Verification
    from facecluster.facenet.pairs import Pairs
    from facecluster.library import Library

    Vectors = dict[str, NDArray[np.float32] | None]

__all__ = ["COMMANDS"]

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def evaluate() -> None:
    """Measure how well a network tells people apart, or how good the groups are."""


images_option = click.option(
    "--images",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder that the list's paths are in.",
)
model_option = click.option(
    "--model", metavar="NAME|PATH", help="The network [default: the bundled one]."
)


@evaluate.command()
@click.argument("pairs", type=FILE)
@images_option
@model_option
@click.option("--by", metavar="COLUMN", help="The same for each value of this column.")
@click.option("--plot", type=FILE, metavar="FILE.svg", help="Draw the ROC curve.")
@json_option
@examples(
    "evaluate pairs pairs.txt --images lfw",
    "evaluate pairs pairs.csv --images photos --by age --plot roc.svg",
)
def pairs(
    pairs: Path, images: Path, model: str | None, by: str | None, plot: Path | None, as_json: bool
) -> None:
    """Verify pairs of pictures by the protocol of Labeled Faces in the Wild.

    PAIRS is a list as LFW has them (pairs.txt, pairsDevTest.txt), or a CSV file with the columns a,
    b, same (1 or 0) and perhaps fold and others. Of each picture the main face counts; where none
    is found its pairs are refused. Accuracy and VAL are means over the folds, with thresholds from
    the others; lists without folds are divided in ten.
    """
    from facecluster.facenet.pairs import read_pairs

    check_plot(plot)
    listed = read_pairs(pairs)
    if by is not None and by not in listed.more:
        raise UsageError(f"{pairs} has no column {by}.")
    vectors = _vectors(listed, images, model)
    results = dict(_results(listed, vectors, by))
    if plot:
        _plot(plot, pairs.name, results)
    if as_json:
        every = {name: _figures(one) for name, one in results.items()}
        print_json(every if by else every["all"])
        return
    for name, one in results.items():
        _tell(name, one)


def _names(listed: Pairs, images: Path) -> list[str]:
    """All pictures of the list, which must be there."""
    names = sorted({*listed.left, *listed.right})
    missing = next((name for name in names if not (images / name).is_file()), None)
    if missing is not None:
        raise UsageError(f"{images / missing} is not there: is {images} the list's folder?")
    return names


def _vectors(listed: Pairs, images: Path, model: str | None) -> Vectors:
    """The main face of every picture of the list, by its name there."""
    from facecluster.evaluate import embed_main_faces

    names = _names(listed, images)
    analyzer = open_analyzer(model)
    vectors: Vectors = {}
    with Progress("pictures") as bar:
        found = embed_main_faces(analyzer, [images / name for name in names])
        for name, one in zip(names, found, strict=True):
            vectors[name] = one.vector
            bar.show(len(vectors), len(names))
    return vectors


def _results(listed: Pairs, vectors: Vectors, by: str | None) -> Iterator[tuple[str, Verification]]:
    import numpy as np

    from facecluster.evaluate import verification

    yield "all", verification(listed, vectors)
    values = np.array(listed.more[by]) if by else np.empty(0)
    for value in np.unique(values).tolist():
        try:
            yield f"{by} {value}", verification(listed, vectors, np.flatnonzero(values == value))
        except UsageError as error:
            note(f"{by} {value}: {error}")


def _figures(one: Verification) -> dict[str, object]:
    return {
        "pairs": one.pairs,
        "same": one.same,
        "pictures_without_face": one.without_face,
        "accuracy": one.accuracy.mean,
        "accuracy_standard_error": one.accuracy.standard_error,
        "accuracy_threshold": float(one.accuracy.thresholds.mean()),
        "area_under_curve": one.area_under_curve,
        "equal_error_rate": one.equal_error_rate,
        "rates": [
            {
                "far_wished": rate.wished,
                "val": rate.val,
                "val_standard_error": rate.standard_error,
                "far": rate.far,
                "threshold": rate.threshold,
            }
            for rate in one.rates
        ],
    }


def _tell(name: str, one: Verification) -> None:
    title = "" if name == "all" else f"{name}: "
    click.secho(
        f"{title}{counted(one.pairs, 'pair')}, {one.same} of one person, "
        f"{counted(one.without_face, 'picture')} without a face",
        bold=True,
    )
    accuracy = one.accuracy
    click.echo(
        f"Accuracy {accuracy.mean:.4f} +- {accuracy.standard_error:.4f} at a squared distance of "
        f"{accuracy.thresholds.mean():.3f}; AUC {one.area_under_curve:.4f}, "
        f"EER {one.equal_error_rate:.4f}"
    )
    rows = [
        {
            "FAR wished": f"{rate.wished:g}",
            "VAL": f"{rate.val:.4f}",
            "+-": f"{rate.standard_error:.4f}",
            "FAR": f"{rate.far:.5f}",
            "threshold": f"{rate.threshold:.3f}",
        }
        for rate in one.rates
    ]
    print_rows(rows, "table", columns=["FAR wished", "VAL", "+-", "FAR", "threshold"])
    _tell_limit(one)


def _tell_limit(one: Verification) -> None:
    """Say which false-accept rates the pairs are too few for."""
    strangers = one.pairs - one.same
    if any(rate.wished * strangers < 1 for rate in one.rates):
        pairs = counted(strangers, "pair")
        note(f"{pairs} of two people cannot show a FAR under {1 / strangers:.1e}.")


def _plot(path: Path, title: str, results: dict[str, Verification]) -> None:
    from facecluster.curves import roc_svg

    curves = {name: (one.curve.far, one.curve.val) for name, one in results.items()}
    least = 10.0 ** -len(str(max(one.pairs - one.same for one in results.values())))
    write_plot(path, roc_svg(title, curves, least=least))
    note(f"The curve is in {path}.")


@evaluate.command()
@click.argument("pairs", type=FILE)
@images_option
@model_option
@click.option("--frames", type=click.IntRange(min=1), default=100, show_default=True, help="Used.")
@click.option("--plot", type=FILE, metavar="FILE.svg", help="Draw the ROC curve.")
@json_option
@examples(
    "evaluate videos splits.txt --images YouTubeFaces/frame_images_DB",
    "evaluate videos pairs.csv --images videos --frames 1000",
)
def videos(
    pairs: Path, images: Path, model: str | None, frames: int, plot: Path | None, as_json: bool
) -> None:
    """Verify pairs of videos by the protocol of YouTube Faces.

    PAIRS is splits.txt as YouTube Faces has it, or a CSV file with the columns a, b, same and
    perhaps fold; a video is a folder of frames below DIR. Its main face is taken from the first
    frames that show one; two videos are as far apart as all pairs of their frames on average.
    """
    from facecluster.evaluate.videos import average_distances, frames_of, video_vector
    from facecluster.facenet.pairs import read_csv_pairs, read_video_splits

    check_plot(plot)
    csv = pairs.suffix.lower() == ".csv"
    listed = (read_csv_pairs if csv else read_video_splits)(pairs)
    names = sorted({*listed.left, *listed.right})
    clips = {name: frames_of(images / name) for name in names}
    analyzer = open_analyzer(model)
    vectors: Vectors = {}
    with Progress("videos") as bar:
        for name in names:
            vectors[name] = video_vector(analyzer, clips[name], frames)
            bar.show(len(vectors), len(names))
    from facecluster.evaluate import verification

    result = verification(listed, vectors, distance=average_distances)
    if plot:
        _plot(plot, pairs.name, {"all": result})
    if as_json:
        print_json(_figures(result))
    else:
        _tell("all", result)


@evaluate.command()
@click.argument("pairs", type=FILE)
@images_option
@model_option
@form_options
@examples("evaluate quality pairsDevTest.txt --images lfw")
def quality(pairs: Path, images: Path, model: str | None, form: Form) -> None:
    """Tell how accuracy falls when faces are made worse: the paper's tables of image quality.

    PAIRS is a list as for 'evaluate pairs'. Each main face is coded as JPEG of quality 10 to 90, or
    shrunk to 1,600 to 65,536 pixels, and compared with others treated alike. Accuracy and VAL are
    means over the folds.
    """
    from facecluster.evaluate import verification
    from facecluster.evaluate.degraded import SETTINGS, degraded_vectors
    from facecluster.facenet.pairs import read_pairs

    listed = read_pairs(pairs)
    names = _names(listed, images)
    found: dict[str, Vectors] = {setting: {} for setting in SETTINGS}
    with Progress("pictures") as bar:
        looks = degraded_vectors(open_analyzer(model), [images / name for name in names])
        for done, (name, face) in enumerate(zip(names, looks, strict=True), start=1):
            for setting in SETTINGS:
                found[setting][name] = face[setting] if face else None
            bar.show(done, len(names))
    results = {setting: verification(listed, found[setting]) for setting in SETTINGS}
    columns = ["face", "accuracy", "VAL at FAR 1e-1", "1e-2", "1e-3"]
    rows = [
        dict(zip(columns, (name, *_short(one, form)), strict=True)) for name, one in results.items()
    ]
    print_rows(rows, form, columns=columns)
    if form == "table":
        _tell_limit(results["as it is"])


def _short(one: Verification, form: Form) -> list[object]:
    values = one.accuracy.mean, *(rate.val for rate in one.rates if rate.wished >= 1e-3)
    return [f"{value:.4f}" if form == "table" else value for value in values]


@evaluate.command()
@click.option("--truth", type=FILE, required=True, metavar="CSV", help="Who is who.")
@json_option
@examples("evaluate grouping --truth identities.csv")
@with_library
def grouping(library: Library, truth: Path, as_json: bool) -> None:
    """Compare the groups with what is known of the faces.

    The CSV file has the columns person and path (or file), the photo's main face, or face, a
    number. BCubed precision: of those in a face's group, how many are the same person; recall: of
    those of its person, how many are in its group. A face in no group is alone.
    """
    from facecluster.evaluate.groups import compare_groups

    found = compare_groups(library, truth)
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in found.items()})
        return
    rows = [
        {"figure": name, "value": f"{value:.4f}" if value % 1 else f"{value:.0f}"}
        for name, value in found.items()
    ]
    print_rows(rows, "table", columns=["figure", "value"])


COMMANDS = (evaluate,)
