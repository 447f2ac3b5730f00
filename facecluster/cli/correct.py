"""Put right what the groups have wrong: divide one, join several, say whose one is, ask why."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_group, complete_number_or_person, complete_person
from facecluster.cli.network import calibration_of, library_model, threshold_for
from facecluster.cli.options import SQUARED_DISTANCE, examples, group_number, with_library
from facecluster.cli.output import (
    Form,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    printable,
    quoted,
)
from facecluster.cli.people import check_person, tell_said
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    from facecluster.facenet.calibration import Calibration
    from facecluster.library import Library
    from facecluster.people import Reason, Suggestion

__all__ = ["COMMANDS"]


@click.command()
@click.argument("which", metavar="NUMBER|PERSON", shell_complete=complete_number_or_person)
@click.option(
    "--threshold",
    type=SQUARED_DISTANCE,
    metavar="D2",
    help="Squared distance above which faces come apart [default: where the group divides best].",
)
@json_option
@examples("split 3", "split 3 --threshold 0.8", 'split "Alice"')
@with_library
def split(library: Library, which: str, threshold: float | None, as_json: bool) -> None:
    """Divide group NUMBER, or the faces of PERSON that you did not name one by one.

    Faces stated to be one person stay together. From now on each part stays together and apart from
    the others, until you say otherwise: name two parts the same, 'merge' or 'split' again. Faces
    that fit no part are in no group until the next 'group'.
    """
    from facecluster.people import split_group, split_person

    more = ["--threshold", f"{threshold:g}"] if threshold is not None else []
    command = shlex.join(["split", which, *more])
    if (number := group_number(which)) is not None:
        done = split_group(library, number, threshold=threshold, command=command)
    else:
        check_person(library, which)
        done = split_person(library, which, threshold=threshold, command=command)
    if as_json:
        print_json(
            {
                "action": done.action,
                "group": done.number,
                "threshold": done.threshold,
                "parts": [
                    {"group": part.number, "person": part.person, "faces": list(part.faces)}
                    for part in done.parts
                ],
                "loose": list(done.loose),
            }
        )
        return
    click.echo(f"Group {done.number} comes apart at a squared distance of {done.threshold:.2f}.")
    rows = [{"group": p.number, "faces": len(p.faces), "person": p.person} for p in done.parts]
    print_rows(rows, "table", columns=["group", "faces", "person"])
    if done.loose:
        fit = counted(len(done.loose), "face fits", "faces fit")
        ids = ", ".join(map(str, done.loose))
        note(f"{fit} no part, in no group until the next 'group': {ids}.")
    hint("'facecluster faces --group NUMBER' shows a part; 'facecluster undo' takes this back")


@click.command()
@click.argument(
    "numbers",
    nargs=-1,
    required=True,
    type=int,
    metavar="NUMBER NUMBER...",
    shell_complete=complete_group,
)
@json_option
@examples("merge 3 8", "merge 3 8 21")
@with_library
def merge(library: Library, numbers: tuple[int, ...], as_json: bool) -> None:
    """Say that these groups are one person, named or not.

    They are one group at once and after every later 'group'. When one has a name, all get it.
    """
    from facecluster.people import merge as join

    done = join(library, numbers, command=shlex.join(["merge", *map(str, numbers)]))
    if as_json:
        figures = dataclasses.asdict(done)
        print_json({"action": figures.pop("action"), "group": figures.pop("number"), **figures})
        return
    whose = f", {done.person}" if done.person else ""
    kept = f"; {done.skipped} stated otherwise before stay as they were" if done.skipped else ""
    are = counted(done.faces, "face is", "faces are")
    click.echo(f"{are} one person: group {done.number}{whose}{kept}.")
    if done.shared_photos:
        photos = counted(done.shared_photos, "photo shows", "photos show")
        note(f"{photos} this person more than once: a mirror, a collage, or two people.")
    hint("'facecluster undo' takes this back")


@click.command()
@click.option(
    "--yes",
    type=int,
    metavar="NUMBER",
    shell_complete=complete_group,
    help="It is: state PERSON of this group.",
)
@click.option(
    "--no",
    type=int,
    metavar="NUMBER",
    shell_complete=complete_group,
    help="It is not: keep this group from PERSON.",
)
@click.argument("person", required=False, shell_complete=complete_person)
@click.option(
    "--threshold",
    type=SQUARED_DISTANCE,
    metavar="D2",
    help="Squared distance up to which a named face counts [default: the network's].",
)
@click.option("--loose", is_flag=True, help="List faces in no group and who they may be.")
@form_options
@examples("suggest", "suggest --yes 12", "suggest --no 12", 'suggest --yes 12 "Alice"')
@with_library
def suggest(
    library: Library,
    yes: int | None,
    no: int | None,
    person: str | None,
    threshold: float | None,
    loose: bool,
    form: Form,
) -> None:
    """List groups without a name and who they may be, or answer.

    First comes the answer that is likely to settle most faces. probability: by the network's
    calibration, when at first somebody named and somebody else are as probable. agreeing: for
    how many of the group's faces the nearest named face is this person's; squared_distance: from
    its faces to the middle of the person's, on average; nearest: between the two nearest faces.
    Without PERSON an answer is about who is listed.
    Faces in no group (--loose) are listed by how near they are to the middle of a person's faces.
    """
    if loose:
        if yes is not None or no is not None or person is not None:
            raise click.UsageError("--loose lists faces: answer with 'name --face ID PERSON'.")
        _list_loose(library, threshold, form)
        return
    if (yes is None) == (no is None):
        if yes is not None or person is not None:
            raise click.UsageError("Give --yes NUMBER or --no NUMBER, with a PERSON or not.")
        _list_suggestions(library, threshold, form)
        return
    if form == "csv":
        raise click.UsageError("--csv lists suggestions: what an answer states is told by --json.")
    number = yes if yes is not None else no or 0
    if person is not None:
        check_person(library, person)
    name = person or _person_suggested(library, number, threshold, yes=yes is not None)
    _answer(library, number, name, yes=yes is not None, form=form)


def _suggestions(
    library: Library, threshold: float | None, only: int | None = None
) -> list[Suggestion]:
    from facecluster.people import suggest as compare

    chosen = library_model(library, None)
    limit = threshold_for(chosen.name, "identify") if threshold is None else threshold
    calibration = calibration_of(chosen.name)
    return compare(library, chosen.id, threshold=limit, calibration=calibration, only=only)


def _list_loose(library: Library, threshold: float | None, form: Form) -> None:
    from facecluster.people import place_loose

    chosen = library_model(library, None)
    limit = threshold_for(chosen.name, "identify") if threshold is None else threshold
    found = place_loose(library, chosen.id, threshold=limit)
    columns = ["face", "person", "squared_distance", "path"]
    print_rows([dataclasses.asdict(one) for one in found], form, columns=columns)
    if form != "table":
        return
    if not found:
        hint("no face in no group is near a named one: 'facecluster groups'")
        return
    first = [f"--face {one.face}" for one in found if one.person == found[0].person]
    ids = " ".join(first)
    hint(f"'facecluster show {ids}', then 'facecluster name {ids} {quoted(found[0].person)}'")


def _list_suggestions(library: Library, threshold: float | None, form: Form) -> None:
    found = _suggestions(library, threshold)
    columns = ["group", "faces", "person", "agreeing", "squared_distance", "nearest", "probability"]
    if form == "table":
        columns.insert(3, columns.pop())
    print_rows([dataclasses.asdict(one) for one in found], form, columns=columns)
    if form != "table":
        return
    if found and found[0].probability is None:
        note(f"{_NO_CALIBRATION}: who agrees in most faces comes first.")
    if found:
        number = found[0].group
        hint(f"'facecluster faces --group {number}', then 'facecluster suggest --yes {number}'")
    elif library.people():
        hint("no group is near a named face: 'facecluster groups' shows who has no name")
    else:
        hint("nobody has a name yet: 'facecluster groups', then 'facecluster name NUMBER NAME'")


_NO_CALIBRATION = "The network has no calibration, so there are no probabilities"


def _person_suggested(library: Library, number: int, threshold: float | None, *, yes: bool) -> str:
    library.require_group(number)
    found = _suggestions(library, threshold, only=number)
    if found:
        return found[0].person
    remedy = (
        f"name {number} NAME' says who it is"
        if yes
        else f"suggest --no {number} NAME' says who not"
    )
    raise UsageError(f"Nobody is suggested for group {number}: 'facecluster {remedy}.")


def _answer(library: Library, number: int, name: str, *, yes: bool, form: Form) -> None:
    from facecluster.people import deny_group, name_group

    answer = "--yes" if yes else "--no"
    command = shlex.join(["suggest", answer, str(number), name])
    said = (name_group if yes else deny_group)(library, number, name, command=command)
    if form == "json":
        print_json(dataclasses.asdict(said))
        return
    are = counted(said.faces, "face is", "faces are")
    told = f"{are} {'' if yes else 'not '}{said.person}"
    tell_said(said, told, "'facecluster suggest' for the next one")


@click.command()
@click.argument("face", type=int)
@json_option
@examples("why 345", "why 345 --json")
@with_library
def why(library: Library, face: int, as_json: bool) -> None:
    """Tell why FACE is in its group: what you stated, or the method and the distances.

    With the nearest faces that you named, and how probably it is their person, by all faces of
    theirs and the network's calibration. Distances are squared, as everywhere. A face that nothing
    else had placed may be up to 1.35 thresholds from the middle of a large group.
    """
    from facecluster.people import why as explain

    reason = explain(library, face, calibration=_calibration_of_groups(library))
    if as_json:
        print_json(dataclasses.asdict(reason))
        return
    click.echo(f"Face     {reason.face}, {printable(reason.path) if reason.path else 'in no list'}")
    click.echo(f"Group    {'none' if reason.group is None else reason.group}")
    click.echo(f"Person   {reason.person or 'nobody known'}")
    click.echo(f"Because  {_because(reason)}.")
    for word in reason.words:
        click.echo(f"Stated   {_WORDS[word.kind].format(word.person)} (action {word.action})")
        click.echo(f"         by '{printable(word.command)}'")
    if reason.nearest:
        columns = ["face", "person", "squared_distance", "probability"]
        print_rows([dataclasses.asdict(one) for one in reason.nearest], "table", columns=columns)
    if reason.words:
        hint(f"'facecluster undo {reason.words[-1].action}' takes back the newest of these words")


def _calibration_of_groups(library: Library) -> Calibration | None:
    """That of the network of the newest grouping, or of the library's."""
    grouping = library.groupings.newest()
    models = library.models()
    names = [one.name for one in models if grouping is None or one.id == grouping.model]
    return calibration_of(names[0]) if names else None


_WORDS = {
    "is": "it is {}",
    "is-not": "it is not {}",
    "ignore": "it is of no interest",
    "not-a-face": "it is no face",
    "part": "whom it belongs with",
}


def _because(reason: Reason) -> str:
    """The rule that put the face there, as a sentence without its full stop."""
    if reason.rule == "named":
        return f"you said that it is {reason.person}"
    if reason.rule == "part":
        return "you said which faces it belongs with"
    if reason.rule == "ignored":
        return "you said to leave it out"
    if reason.rule == "shelf":
        return "it is on the shelf: the detector was hardly sure that it is a face"
    if reason.rule == "gone":
        return "its photo has no file any more"
    if reason.rule == "ungrouped":
        return "nothing was grouped yet: 'facecluster group'"
    if reason.rule == "unseen":
        return "the network of the grouping has never seen it: scan its folder again"
    limit = "" if reason.threshold is None else f", at a threshold of {reason.threshold:.2f}"
    if reason.rule == "alone":
        if reason.near_group is None:
            return f"it is alone: there is no group{limit}"
        away = reason.squared_distance or 0.0
        nearest = f"the nearest group, {reason.near_group}, is {away:.2f} away"
        denied = [word.person for word in reason.words if word.kind == "is-not"]
        if denied and away <= (reason.threshold or 0.0):
            return f"you said that it is not {denied[-1]}; {nearest}"
        return f"it is alone: {nearest}{limit}"
    away = reason.squared_distance or 0.0
    return f"it is {away:.2f} from the middle of its group ({reason.method}{limit})"


COMMANDS = (split, merge, suggest, why)
