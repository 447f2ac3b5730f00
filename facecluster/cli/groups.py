"""Group the faces; list the groups and the faces in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.completing import complete_group, complete_person
from facecluster.cli.network import group_threshold_for, library_model
from facecluster.cli.options import SQUARED_DISTANCE, examples, with_library
from facecluster.cli.output import (
    Form,
    Progress,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    quoted,
)
from facecluster.cli.people import check_person
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    from facecluster.library import Library, Listed
    from facecluster.people import HowGrouped, Regrouping

__all__ = ["COMMANDS", "NO_GROUPS", "group_faces", "grouping_figures", "tell_grouping"]

NO_GROUPS = (
    "no two faces are near enough for a group: 'facecluster faces', then "
    "'facecluster name --face ID NAME'"
)
METHODS = ("agglomerative", "kmeans", "hdbscan")
LINKAGES = ("average", "centroid")
# A full pass is due once more than this share of the faces came after the last one: on the 503
# photos of the development library increments lost nothing at 10 %, 0.025 of F at 25 %
# (tests/benchmarks/bench_increments.py).
DUE = 0.2


@click.command()
@click.option(
    "--method", type=click.Choice(METHODS), help="How [default: agglomerative; with -k kmeans]."
)
@click.option(
    "--threshold",
    type=SQUARED_DISTANCE,
    metavar="D2",
    help="Squared distance up to which faces belong together; less makes purer, smaller groups "
    "[default: by the network's false-accept rate and the number of faces; --json tells].",
)
@click.option(
    "--linkage",
    type=click.Choice(LINKAGES),
    help="How far two groups are apart, for agglomerative: on average, the textbook's way, or "
    "on average and then by their centroids, which brings more of a person together; lone faces "
    "then join large groups that are clearly the nearest [default: centroid].",
)
@click.option(
    "-k",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many centres, for kmeans; faces of one photo are kept apart, so there may be more "
    "groups.",
)
@click.option("--model", metavar="NAME|PATH", help="The network [default: the last one].")
@click.option("--full", is_flag=True, help="Group all faces anew, not only what is new.")
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
    full: bool,
    allow_churn: bool,
    as_json: bool,
) -> None:
    """Put the faces of one person together.

    Only what is new, or what you spoke of, is compared with the groups there are: a face in a group
    moves by your word alone. All faces are grouped anew with --full, with another setting than last
    time, while most faces are new, and by kmeans and hdbscan. Without options the settings are
    those of last time; --method agglomerative goes back to the defaults.

    What you stated always holds: a named face keeps its name, and no two people share a group.
    Groups keep their numbers with most of their faces. When named faces would leave their person's
    group, as those do that the network has never seen, nothing is changed and the exit code is 1.
    """
    chosen = method or ("kmeans" if k else None)
    if linkage and chosen not in (None, "agglomerative"):
        raise click.UsageError(f"--linkage is for agglomerative, not {chosen}: leave it out.")
    done = group_faces(
        library,
        model=model,
        method=chosen,
        threshold=threshold,
        k=k,
        by_centroid=None if linkage is None else linkage == "centroid",
        full=full,
        allow_churn=allow_churn,
    )
    if as_json:
        print_json(grouping_figures(library, done))
        return
    tell_grouping(library, done)
    hint("'facecluster groups'" if done.faces else "'facecluster scan PATH'")


def group_faces(
    library: Library,
    *,
    model: str | None = None,
    method: str | None = None,
    threshold: float | None = None,
    k: int | None = None,
    by_centroid: bool | None = None,
    full: bool = False,
    allow_churn: bool = False,
) -> Regrouping:
    """Group the embeddings of the library's network and keep the result.

    Where no setting is given, they are those of the newest grouping with this network, else the
    defaults. Only what is new is grouped where that will do, unless full. Shows how far it is; one
    that is stopped changes nothing.
    """
    from facecluster.people import extend, may_extend, regroup_steps

    if model is None and not library.models():  # as after a scan that found nothing
        return _nothing()
    network = library_model(library, model)
    if k is not None and k > max(network.faces, 1):
        raise UsageError(f"There are only {counted(network.faces, 'face')}: say a smaller -k.")
    how = _how(library, model, method=method, threshold=threshold, k=k, by_centroid=by_centroid)
    if not full and may_extend(library, network.id, how):
        return extend(library, allow_churn=allow_churn)
    if how.rule is not None:
        how = _by_default(library, model, how.settings.method, how.settings.by_centroid)
    steps = regroup_steps(library, network.id, how, allow_churn=allow_churn)
    return _watched(steps, library.overview.faces())


def _nothing() -> Regrouping:
    """What the grouping of no faces changes."""
    from facecluster.people import Regrouping

    return Regrouping(
        faces=0,
        groups=0,
        ungrouped=0,
        named_faces=0,
        named_moved=0,
        names_lost=0,
        new_faces=0,
        full=True,
        looked_at=0,
        new_groups=0,
        moved_faces=0,
        since_full=0.0,
    )


def _how(
    library: Library,
    model: str | None,
    *,
    method: str | None,
    threshold: float | None,
    k: int | None,
    by_centroid: bool | None,
) -> HowGrouped:
    """How to group by these options: without any as last time with this network."""
    from facecluster.grouping import Settings
    from facecluster.people import HowGrouped, how_grouped

    newest = library.groupings.newest()
    unsaid = method is None and threshold is None and k is None and by_centroid is None
    seen = library_model(library, model).id
    if newest and unsaid and newest.model == seen and newest.method in METHODS:
        return how_grouped(newest)
    method, by_centroid = method or "agglomerative", by_centroid is not False
    if threshold is None and k is None:
        return _by_default(library, model, method, by_centroid)
    return HowGrouped(Settings(method, threshold, k, by_centroid))


def _by_default(library: Library, model: str | None, method: str, by_centroid: bool) -> HowGrouped:
    """With the threshold of the network for as many faces as it has seen here."""
    from facecluster.grouping import Settings
    from facecluster.people import HowGrouped

    chosen = library_model(library, model)
    default = group_threshold_for(model or chosen.name, chosen.faces)
    rule = dataclasses.asdict(default) if default.faces else {}
    rule.pop("threshold", None)
    return HowGrouped(Settings(method, default.threshold, by_centroid=by_centroid), rule)


def _watched(steps: Generator[float, None, Regrouping], faces: int) -> Regrouping:
    """What the steps return; a progress bar shows the share they yield."""
    with Progress("faces") as bar:
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                regrouped: Regrouping = end.value
                return regrouped
            bar.show(done * faces, faces)


def grouping_figures(library: Library, done: Regrouping) -> dict[str, Any]:
    """What a grouping came to, for JSON; with the threshold, and its rule if it is a default.

    These are those of the last full pass, when there may have been fewer faces.
    """
    from facecluster.people import how_grouped

    newest = library.groupings.newest()
    how = how_grouped(newest) if newest else None
    return {
        **dataclasses.asdict(done),
        "threshold": how.settings.threshold if how else None,
        "rule": (how.rule if how else None) or {},
    }


def tell_grouping(library: Library, done: Regrouping) -> None:
    """Print how many groups there are, what moved, and what was compared with what."""
    click.echo(
        f"{counted(done.faces, 'face')}: {counted(done.groups, 'group')}, "
        f"{counted(done.ungrouped, 'face')} in no group."
    )
    click.echo(
        f"{counted(done.new_faces, 'face')} put into a group that had none; "
        f"{counted(done.named_moved, 'named face')} moved, {counted(done.names_lost, 'name')} lost."
    )
    left_out = library.overview.faces() - done.faces
    newest = library.groupings.newest()
    if newest and left_out > 0:  # faces may have gone meanwhile
        name = library.model_name(newest.model)
        note(
            f"{counted(left_out, 'face was', 'faces were')} never seen by this network: "
            f"'facecluster models use {name}' lets it see them."
        )
    shelf = library.overview.on_shelf()
    if shelf:
        note(f"Hardly faces, and on the shelf: {len(shelf)} ('facecluster faces --shelf').")
    if done.full:
        note(f"All faces were compared with each other; {done.moved_faces} left their group.")
    elif not done.looked_at:
        note("No face is new or changed: the groups stay, but for what you said since.")
    else:
        new = counted(done.looked_at, "new or changed face was", "new or changed faces were")
        groups = counted(done.new_groups, "new group")
        note(f"Only {new} compared with the groups there were: {groups}.")
    _tell_settings(library, done)
    if done.since_full > DUE:
        note(
            f"{done.since_full:.0%} of the faces came after the last full pass: "
            "'facecluster group --full' finds more of one person's faces together."
        )


def _tell_settings(library: Library, done: Regrouping) -> None:
    """Say which settings are the user's own, or meant for fewer faces than there are now."""
    from facecluster.people import how_grouped

    newest = library.groupings.newest()
    if newest is None:
        return
    how = how_grouped(newest)
    chosen = [] if newest.method == METHODS[0] else [newest.method]
    if how.rule is None and how.settings.threshold is not None:
        chosen.append(f"threshold {how.settings.threshold:g}")
    chosen += [] if how.settings.by_centroid else ["linkage average"]
    k = how.settings.k
    if k is not None:
        why = ": faces of one photo are kept apart, and one face is no group"
        chosen.append(f"k {k}" + (why if done.groups != k else ""))
    if chosen:
        note(
            f"As you chose, and from now on, by {', '.join(chosen)}. "
            f"'facecluster group --method {METHODS[0]}' goes back to the defaults."
        )
    outgrown = (how.rule or {}).get("faces")
    if outgrown and done.faces > outgrown:
        note(
            f"The threshold is for up to {outgrown} faces, as there were at the last full pass: "
            "'facecluster group --full' makes it stricter."
        )


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
        hint(f"'facecluster show {unnamed}', then 'facecluster name {unnamed} NAME'")
    elif not found:
        grouped = library.groupings.newest() and library.overview.faces()
        hint(NO_GROUPS if grouped else "'facecluster group'")
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
@click.option("--shelf", is_flag=True, help="Only what is hardly a face, left out elsewhere.")
@click.option("--ignored", is_flag=True, help="Only those you ignore, left out elsewhere.")
@form_options
@examples("faces --group 3", 'faces --person "Alice"', "faces --json > faces.json")
@with_library
def faces(
    library: Library,
    number: int | None,
    person: str | None,
    shelf: bool,
    ignored: bool,
    form: Form,
) -> None:
    """List the faces with their photos.

    A box is x0,y0,x1,y1 in pixels of the upright full-size photo. What the detector was hardly sure
    of is on a shelf, in no other list and no group, until you name it.
    """
    if shelf and ignored:
        raise click.UsageError("--shelf and --ignored are two lists: choose one.")
    if person is not None:
        check_person(library, person)
    only: Listed = "shelf" if shelf else "ignored" if ignored else "shown"
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
        for one in library.faces(group=number, person=person, only=only)
    ]
    columns = ["face", "photo", "path", "box", "score", "group", "person"]
    if form == "table":
        columns = ["face", "group", "person", "score", "box", "path"]
    print_rows(rows, form, columns=columns)
    if form == "table" and rows and only != "shown":
        hint(f"'facecluster show --face {rows[0]['face']}'; 'name --face ID NAME' takes one off")
    elif form == "table" and any(row["person"] for row in rows):
        hint("'facecluster reject FACE' for a face that is in the wrong place")
    elif form == "table" and number is not None and rows:
        hint(f"'facecluster name {number} NAME'; 'facecluster split {number}' where it is mixed")


COMMANDS = (group, groups, faces)
