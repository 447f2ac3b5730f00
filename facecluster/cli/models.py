"""The networks: which there are, what they are, and fetching published ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from facecluster.cli.network import default_network, keep, use_network
from facecluster.cli.options import examples, with_library
from facecluster.cli.output import (
    Form,
    Progress,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
)
from facecluster.counted import counted
from facecluster.facenet.sizes import OF_THE_PAPER, SIZES

if TYPE_CHECKING:
    from facecluster.embed import Model
    from facecluster.library import Library

__all__ = ["COMMANDS"]

USES = ("verify", "identify", "group")


@click.group()
def models() -> None:
    """List, describe and download networks."""


@models.command("list")
@click.option("--measure", is_flag=True, help="Also the milliseconds that a face takes here.")
@form_options
@examples("models list", "models list --measure", "models list --json")
def list_networks(measure: bool, form: Form) -> None:
    """List the networks that --model knows by name, then those that wait for 'train'.

    Millions of parameters and of multiply-adds a face are those of the architecture at its own
    input, pixels high and wide. verify, identify and group are the squared distances at which a
    network tells people apart.
    """
    from facecluster.embed import list_models

    found = list_models()
    trained = {one.architecture for one in found if one.path}
    rows: list[dict[str, object]] = [
        {
            "model": one.name,
            "state": one.state,
            **_size(one.architecture),
            "dimension": one.dimension,
            **{use: one.thresholds[use] for use in USES},
        }
        for one in found
    ]
    nothing = dict.fromkeys(("dimension", *USES))
    rows += [
        {"model": None, "state": "untrained", **_size(name), **nothing}
        for name in OF_THE_PAPER
        if name not in trained
    ]
    columns = [*rows[0]]
    if measure:
        columns.insert(6, "ms")
        taken = _milliseconds({str(row["architecture"]) for row in rows})
        rows = [{**row, "ms": taken[str(row["architecture"])]} for row in rows]
    print_rows(rows, form, columns=columns)
    if form == "table":
        hint("'facecluster models info NAME'")


def _size(architecture: str) -> dict[str, object]:
    size = SIZES[architecture]
    return {
        "architecture": architecture,
        "input": f"{size.height}x{size.width}",
        "parameters": round(size.parameters / 1e6, 2),
        "MACs": round(size.multiply_adds / 1e6, 2),
    }


def _milliseconds(architectures: set[str]) -> dict[str, float]:
    """The milliseconds a face of each, measured now."""
    from facecluster.facenet.timing import milliseconds

    taken: dict[str, float] = {}
    with Progress("networks") as bar:
        for name in sorted(architectures):
            taken[name] = milliseconds(name)
            bar.show(len(taken), len(architectures))
    return taken


@models.command()
@click.argument("name", metavar="NAME|PATH")
@json_option
@examples("models info nn4", "models info my-network.safetensors --json")
def info(name: str, as_json: bool) -> None:
    """Describe a network: its file, thresholds, calibration, model card.

    FAR (false-accept rate): of the pairs of two people, the share within a squared distance. Where
    the pairs were too few to show it, it is extrapolated.
    """
    from facecluster.embed import find_model

    found = find_model(name)
    card = found.card.read_text(encoding="utf-8") if found.card else None
    about = {
        "model": found.name,
        "state": found.state,
        "path": str(found.path) if found.path else None,
        "architecture": found.architecture,
        "dimension": found.dimension,
        "thresholds": found.thresholds,
        "calibration": dataclasses.asdict(found.calibration) if found.calibration else None,
        "card": card,
    }
    if as_json:
        print_json(about)
        return
    for key in ("model", "state", "path", "architecture", "dimension"):
        click.echo(f"{key:13}{about[key] if about[key] is not None else '-'}")
    for use, threshold in found.thresholds.items():
        click.echo(f"{use:13}squared distance up to {threshold:.3f}")
    _tell_calibration(found)
    if card:
        click.echo(f"\n{card.rstrip()}")


def _tell_calibration(model: Model) -> None:
    calibration = model.calibration
    if calibration is None:
        click.echo("calibration  none: no probabilities, and one threshold for groups of any size")
        return
    click.echo(
        f"calibration  {calibration.source}: {calibration.same} pairs of one person, "
        f"{calibration.different} of two\n"
    )
    rows = [
        {
            "FAR": f"{one.rate:.0e}".replace("e-0", "e-"),
            "squared_distance": f"{one.threshold:.3f}",
            "probability": calibration.probability(one.threshold),
            "extrapolated": one.extrapolated,
        }
        for one in calibration.rates
    ]
    print_rows(rows, "table", columns=["FAR", "squared_distance", "probability", "extrapolated"])
    note("probability: of one person, where pairs of one and of two people are as frequent.")


@models.command("download")
@click.argument("name", metavar="mobilefacenet|dlib|vggface2|casia-webface")
@examples("models download mobilefacenet", "models use mobilefacenet")
def fetch(name: str) -> None:
    """Fetch the published weights NAME into the cache.

    mobilefacenet: 5 MB from GitHub, by far the best on adults who are no relatives. dlib: of the
    face_recognition project, 100 MB from PyPI, in the public domain. 'models info NAME' says how
    well they do. The others: of facenet-pytorch, 100 MB from GitHub, trained on research data: read
    their terms. What has arrived is kept when the connection breaks; the file is checked before it
    is used.
    """
    from facecluster.download import cached, download

    with Progress("MB") as bar:
        for there, total in download(name):
            bar.show(there / 1e6, total / 1e6)
    click.echo(f"{name} is in {cached(name)}.")
    hint(f"'facecluster models use {name}', or 'facecluster scan PATH --model {name}' at first")


@models.command()
@click.argument("name", metavar="NAME|PATH")
@examples("models use nn4", "models use my-network.safetensors")
@with_library
def use(library: Library, name: str) -> None:
    """Make the library use another network: its own one before, or a file, which is kept by name.

    Faces that the network has not seen are embedded; nothing else is looked for. Vectors of other
    networks stay, so that going back takes no time, and are never compared with these. Names and
    groups stay as they are.
    """
    found = keep(name)
    before = default_network(library)
    try:
        done = use_network(library, str(found.path) if found.state == "file" else found.name)
    except KeyboardInterrupt:
        note("Stopped: run the same again to go on; nothing else has changed.")
        click.get_current_context().exit(130)
    click.echo(f"The library uses {found.name} now: {counted(done.faces, 'face')} embedded for it.")
    if done.left:
        left = counted(done.left, "face")
        note(f"{left} could not be seen again: 'facecluster scan' their folders.")
    back = f"; 'facecluster models use {before}' goes back"
    hint(f"'facecluster group'{back if before not in (None, found.name) else ''}")


COMMANDS = (models,)
