"""Group the faces; list the groups and the faces in them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_group, complete_person
from facecluster.cli.network import library_model, threshold_for
from facecluster.cli.options import examples, with_library
from facecluster.cli.output import (
    Form,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    quoted,
)
from facecluster.cli.people import check_person

if TYPE_CHECKING:
    from facecluster.library import Library
    from facecluster.people import Regrouping

__all__ = ["COMMANDS", "group_faces", "tell_grouping"]

METHODS = ("agglomerative", "kmeans", "hdbscan")
LINKAGES = ("average", "centroid")


@click.command()
@click.option(
    "--method", type=click.Choice(METHODS), help="How [default: agglomerative; with -k kmeans]."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 4),
    metavar="D2",
    help="Squared distance up to which faces belong together; less makes purer, smaller groups "
    "[default: the network's, see 'models list'].",
)
@click.option(
    "--linkage",
    type=click.Choice(LINKAGES),
    help="How far two groups are apart, for agglomerative: on average, the textbook's way, or "
    "on average and then by their centroids, which brings more of a person together [default: "
    "centroid].",
)
@click.option("-k", type=click.IntRange(min=1), metavar="N", help="Number of groups, for kmeans.")
@click.option("--model", metavar="NAME|PATH", help="The network [default: the last one].")
@click.option("--allow-churn", is_flag=True, help="Group even if named faces move or names go.")
@json_option
@examples("group", "group --threshold 0.9", "group --method hdbscan", "group -k 20")
@with_library
def group(
    library: Library,
    method: str | None,
    threshold: float | None,
    linkage: str | None,
    k: int | None,
    model: str | None,
    allow_churn: bool,
    as_json: bool,
) -> None:
    """Put the faces of one person together.

    What you stated always holds: a named face keeps its name, and no two people share a group.
    Group numbers stay: a group keeps the number of the old one it shares most faces with. When
    named faces would leave their person's group all the same, as those do that the network has
    never seen, nothing is changed and the exit code is 1.
    """
    method = method or ("kmeans" if k else "agglomerative")
    if linkage and method != "agglomerative":
        raise click.UsageError(f"--linkage is for agglomerative, not {method}: leave it out.")
    done = group_faces(
        library,
        model=model,
        method=method,
        threshold=threshold,
        k=k,
        by_centroid=linkage != "average",
        allow_churn=allow_churn,
    )
    if as_json:
        print_json(dataclasses.asdict(done))
        return
    tell_grouping(library, done)
    hint("'facecluster groups'")


def group_faces(
    library: Library,
    *,
    model: str | None = None,
    method: str = "agglomerative",
    threshold: float | None = None,
    k: int | None = None,
    by_centroid: bool = True,
    allow_churn: bool = False,
) -> Regrouping:
    """Group the embeddings of the library's network and keep the result."""
    from facecluster.people import regroup

    chosen = library_model(library, model)
    if threshold is None and k is None:
        threshold = threshold_for(model or chosen.name, "group")
    return regroup(
        library,
        chosen.id,
        method=method,
        threshold=threshold,
        k=k,
        by_centroid=by_centroid,
        allow_churn=allow_churn,
    )


def tell_grouping(library: Library, done: Regrouping) -> None:
    """Print how many groups there are and what moved."""
    click.echo(f"{done.faces} faces: {done.groups} groups, {done.ungrouped} faces in no group.")
    click.echo(
        f"{done.named_moved} named faces moved, {done.names_lost} names lost, "
        f"{done.new_faces} new faces placed."
    )
    left_out = library.status().faces - done.faces
    if left_out:
        note(f"{left_out} faces were never seen by this network: scan their folders again.")


@click.command()
@form_options
@examples("groups", "groups | head -20", "groups --json")
@with_library
def groups(library: Library, form: Form) -> None:
    """List the groups of the newest grouping, largest first."""
    found = library.groups()
    rows = [
        {"group": one.number, "faces": one.faces, "photos": one.photos, "person": one.person}
        for one in found
    ]
    print_rows(rows, form, columns=["group", "faces", "photos", "person"])
    if form != "table":
        return
    unnamed = next((one.number for one in found if one.person is None), None)
    if unnamed is not None:
        hint(f"'facecluster show {unnamed}', then 'facecluster name {unnamed} \"Alice\"'")
    elif not found:
        hint("'facecluster group'")
    else:
        hint(
            f"every group has a name: 'facecluster find {quoted(str(found[0].person))}' for "
            "photos; 'facecluster suggest --loose' for faces in no group"
        )


@click.command()
@click.option(
    "--group",
    "number",
    type=int,
    metavar="N",
    shell_complete=complete_group,
    help="Only the faces of this group.",
)
@click.option(
    "--person",
    metavar="NAME",
    shell_complete=complete_person,
    help="Only the faces of this person.",
)
@form_options
@examples("faces --group 3", 'faces --person "Alice"', "faces --json > faces.json")
@with_library
def faces(library: Library, number: int | None, person: str | None, form: Form) -> None:
    """List the faces with their photos.

    A box is x0,y0,x1,y1 in pixels of the upright full-size photo.
    """
    if person is not None:
        check_person(library, person)
    rows = [
        {
            "face": one.face,
            "photo": one.photo,
            "path": one.path,
            "box": [one.box.x0, one.box.y0, one.box.x1, one.box.y1],
            "score": one.score,
            "group": one.group,
            "person": one.person,
        }
        for one in library.faces(group=number, person=person)
    ]
    columns = ["face", "photo", "path", "box", "score", "group", "person"]
    if form == "table":
        columns = ["face", "group", "person", "score", "box", "path"]
    print_rows(rows, form, columns=columns)
    if form == "table" and rows:
        hint("'facecluster reject FACE' for a face that is in the wrong place")


COMMANDS = (group, groups, faces)
