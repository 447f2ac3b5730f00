"""The networks: which there are, what they are, and fetching published ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from facecluster.cli.options import examples
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

if TYPE_CHECKING:
    from facecluster.embed import Model

__all__ = ["COMMANDS"]


@click.group()
def models() -> None:
    """List, describe and download networks."""


@models.command("list")
@form_options
@examples("models list", "models list --json")
def list_networks(form: Form) -> None:
    """List the networks that --model knows by name.

    verify, identify and group are the squared distances at which they tell people apart.
    """
    from facecluster.embed import list_models

    rows = [
        {
            "model": one.name,
            "state": one.state,
            "architecture": one.architecture,
            "dimension": one.dimension,
            **one.thresholds,
        }
        for one in list_models()
    ]
    columns = ["model", "state", "architecture", "dimension", "verify", "identify", "group"]
    print_rows(rows, form, columns=columns)
    if form == "table":
        hint("'facecluster models info NAME'")


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
@click.argument("name", metavar="vggface2|casia-webface")
@examples("models download vggface2")
def fetch(name: str) -> None:
    """Fetch the published weights NAME, about 110 MB, from GitHub into the cache.

    Trained by facenet-pytorch's author on research data: read their terms. What has arrived is kept
    when the connection breaks; the file is checked before it is used.
    """
    from facecluster.download import cached, download

    with Progress("MB") as bar:
        for there, total in download(name):
            bar.show(there / 1e6, total / 1e6)
    click.echo(f"{name} is in {cached(name)}.")
    hint(f"'facecluster scan PATH --model {name}'")


COMMANDS = (models,)
