"""Bring the library up to date with folders of photos, and tell how it stands."""

from __future__ import annotations

import dataclasses
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.detection import detection_options, detection_settings
from facecluster.cli.groups import NO_GROUPS, group_faces, grouping_figures, tell_grouping
from facecluster.cli.network import default_network, keep, open_analyzer
from facecluster.cli.options import NamedPath, examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json, printable
from facecluster.cli.scan_progress import carry_out, print_summary
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from facecluster.analyzer import Analyzer
    from facecluster.engines import Engine
    from facecluster.library import Library, Status
    from facecluster.people import Regrouping
    from facecluster.pipeline import Analyse
    from facecluster.scan import Summary

__all__ = ["COMMANDS", "look_at", "tell_scan"]

FEW = 5  # as many unreadable photos are listed unasked
_JSON_LINES = """
--json prints an object a line, each with a message_type: "status" (done, total, faces, unreadable,
seconds, seconds_left) about once a second while there is work, "error" (path, error) for each photo
that cannot be read and what is passed over, and as the last line, also after Ctrl+C, "summary"
(found, clips, unchanged, analysed, linked, embedded_again, removed, unreadable, still_unreadable,
passed_over, skipped, skipped_clips, faces, seconds, interrupted; grouping after --group).
"""


@click.command(epilog=_JSON_LINES)
@click.argument("paths", nargs=-1, required=True, type=NamedPath())
@click.option("--model", metavar="NAME|PATH", help="The network [default: the library's own].")
@click.option("--group", "then_group", is_flag=True, help="Group the faces right after.")
@detection_options
@click.option(
    "--allow-empty", is_flag=True, help="Believe it when a folder has lost all of its photos."
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Look at photos in N processes.")
@click.option(
    "--dask", "cluster", metavar="ADDRESS", help="Look at photos on the workers of a Dask cluster."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, as told below.")
@examples(
    "scan ~/Pictures",
    "scan ~/Pictures /media/disk --group",
    "scan photos --db p.sqlite",
    "scan /shared/photos --dask tcp://scheduler:8786",
)
@with_library
def scan(
    library: Library,
    paths: tuple[Path, ...],
    model: str | None,
    then_group: bool,
    min_face: tuple[float, float] | None,
    thorough: bool,
    allow_empty: bool,
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Find the faces of all photos below the folders PATHS.

    Photos are JPEG, HEIC, PNG, WebP, AVIF, TIFF, BMP, GIF and MPO files, told by their names, and
    RAW photos (DNG, CR3, NEF, ARW and others) unless a picture of the same name lies beside them.
    Only new and changed photos are looked at; a scan that was stopped goes on where it was. Photos
    that cannot be read are listed by 'status' and make the exit code 3, also of later scans that
    find them as they were; so do folders that may not be read. Ctrl+C stops it at any
    moment (exit code 130): what is done is kept.

    Of a video clip (MP4, MOV, MKV and others) up to eight frames are looked at, spread over it,
    each a photo of its own: clip.mp4#t=12.5 is the one at 12.5 seconds. A clip of a few seconds
    beside a picture of the same name (a Live Photo) is left out. RAW photos and clips need
    pip install 'facecluster[raw,video]'.

    With --min-face or --thorough photos are looked at again that were not looked at so closely, or
    more closely; without them they stay as they are.
    """
    if model:
        keep(model)
    before, settings = default_network(library), detection_settings(min_face, thorough)
    opener = partial(open_analyzer, model or before, settings)
    analyzer, engine, analyse = _open_engines(opener, jobs=jobs, cluster=cluster)
    summary, seconds = look_at(
        library, paths, analyzer, engine, analyse, allow_empty=allow_empty, as_json=as_json
    )
    _tell_network(library, before)
    _group_and_tell(library, summary, seconds, then_group, model, as_json)


def _open_engines(
    opener: Callable[[], Analyzer], *, jobs: int | None, cluster: str | None
) -> tuple[Analyzer, Engine | None, Analyse | None]:
    """An analyzer, what hashes the files and what analyses them; None is the scan's own choice.

    Workers of --jobs or --dask open their analyzers by the opener, too.
    """
    if cluster is not None and jobs:
        raise UsageError("--jobs is for this machine and --dask for a cluster: choose one.")
    from facecluster.engines import dask, processes
    from facecluster.pipeline import Elsewhere

    analyzer = opener()
    if cluster is not None:
        # The cluster hashes, too: this machine need not read each file over the network.
        engine = dask(cluster)
        return analyzer, engine, Elsewhere(engine, opener, analyzer)
    if jobs:
        return analyzer, None, Elsewhere(processes(jobs), opener, analyzer)
    return analyzer, None, None


def _tell_network(library: Library, before: str | None) -> None:
    """Say that the scan has made another network the library's."""
    if before is None or default_network(library) == before:
        return
    now = library.status()
    unseen = (
        f"{counted(now.unseen_faces, 'face')} of other folders it has not seen: "
        f"'facecluster models use {now.network}' lets it see them, "
        if now.unseen_faces
        else ""
    )
    note(
        f"The library uses {now.network} from now on. {unseen}"
        f"'facecluster models use {before}' goes back."
    )


def _group_and_tell(
    library: Library,
    summary: Summary,
    seconds: float,
    then_group: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """What the scan did, also when grouping then fails; and what grouping did. The exit code."""
    if not as_json:
        tell_scan(summary, seconds)
    grouping = None
    try:
        grouping = group_faces(library, model=model) if then_group else None
    finally:
        if as_json:
            figures = grouping_figures(library, grouping) if grouping else None
            print_summary(summary, seconds, figures)
    if not as_json:
        _tell_next(library, summary, grouping)
    if summary.unreadable or summary.still_unreadable or summary.passed_over:
        click.get_current_context().exit(3)


def _tell_next(library: Library, summary: Summary, grouping: Regrouping | None) -> None:
    if grouping:
        tell_grouping(library, grouping)
    steps = [_next_step(library, library.status())]
    if not summary.found and not summary.passed_over:
        steps = ["there are no photos: 'facecluster scan ANOTHER_FOLDER'"]
    if summary.unreadable or summary.still_unreadable:
        steps.append("'facecluster status --unreadable' lists the photos that could not be read")
    hint("; ".join(steps))


def look_at(
    library: Library,
    paths: tuple[Path, ...],
    analyzer: Analyzer,
    engine: Engine | None = None,
    analyse: Analyse | None = None,
    *,
    allow_empty: bool,
    as_json: bool = False,
) -> tuple[Summary, float]:
    """Run a scan and tell how far it is; returns what it did and its seconds."""
    from facecluster.scan import scan as start

    began = time.monotonic()
    run = start(library, paths, analyzer, engine=engine, analyse=analyse, allow_empty=allow_empty)
    carry_out(run, began, as_json=as_json)
    return run.summary, time.monotonic() - began


def tell_scan(summary: Summary, seconds: float) -> None:
    """Print what a scan did."""
    parts = [f"{summary.analysed} looked at"]
    parts += [f"{summary.unchanged} unchanged"] if summary.unchanged else []
    parts += [f"{summary.linked} moved or copied"] if summary.linked else []
    parts += [f"{summary.embedded_again} given new embeddings"] if summary.embedded_again else []
    # of a photo that was moved, too
    parts += [f"{counted(summary.removed, 'old path')} gone"] if summary.removed else []
    parts += [f"{summary.unreadable} could not be read"] if summary.unreadable else []
    still = summary.still_unreadable
    parts += [f"{still} still unreadable"] if still else []
    parts += [f"{summary.passed_over} passed over"] if summary.passed_over else []
    parts += [f"{summary.skipped} skipped"] if summary.skipped else []
    what = counted(summary.found - summary.clips, "photo")
    what += f" and {counted(summary.clips, 'clip')}" if summary.clips else ""
    click.echo(f"{what}: {', '.join(parts)}; {counted(summary.faces, 'face')} found.")
    skipped = {"RAW photo": ("raw", summary.skipped - summary.skipped_clips)}
    skipped["video clip"] = ("video", summary.skipped_clips)
    for kind, (extra, count) in skipped.items():
        if count:
            one, more = f"The one skipped is a {kind}", f"The {count} skipped are {kind}s"
            install = f"pip install 'facecluster[{extra}]', then scan again."
            note(f"{one if count == 1 else more}: {install}")
    looked_at = summary.analysed + summary.embedded_again
    if looked_at:
        files = "files" if summary.clips else "photos"
        note(f"{seconds:.1f} s, {looked_at / seconds:.1f} {files}/s")


@click.command()
@click.option("--unreadable", is_flag=True, help="List the photos that could not be read.")
@json_option
@examples("status", "status --unreadable", "status --json")
@with_library
def status(library: Library, unreadable: bool, as_json: bool) -> None:
    """Tell where the library is, what is in it and what to do next."""
    now = library.status()
    if as_json:
        figures = dataclasses.asdict(now)
        if now.last_grouping:
            figures["last_grouping"]["settings"] = json.loads(now.last_grouping.settings)
        print_json(figures)
        return
    click.echo(f"Library  {now.database}")
    click.echo(
        f"Photos   {now.photos} in {counted(now.files, 'file')}, {len(now.unreadable)} unreadable"
    )
    ignored = f"; {now.ignored_faces} more ignored" if now.ignored_faces else ""
    click.echo(
        f"Faces    {now.faces}, {now.grouped_faces} of them in {counted(now.groups, 'group')}"
        f"{ignored}"
    )
    click.echo(f"People   {now.people} named, on {counted(now.named_faces, 'face')}")
    if now.network:
        unseen = counted(now.unseen_faces, "face")
        click.echo(f"Network  {now.network}" + (f", unseen {unseen}" if now.unseen_faces else ""))
    if unreadable or len(now.unreadable) <= FEW:
        for one in now.unreadable:
            path, reason = printable(one.path), printable(one.reason)
            # Most reasons begin with the path already.
            told = reason if reason.startswith(path) else f"{path}: {reason}"
            click.echo(f"         {told}")
    hint(_next_step(library, now))


def _next_step(library: Library, now: Status) -> str:
    if not now.faces:
        return "'facecluster scan PATH'"
    if now.last_grouping is None:
        return "'facecluster group'"
    if now.unseen_faces:
        return f"'facecluster models use {now.network}' lets it see all faces"
    if now.last_grouping.model != now.models[0].id:
        return "'facecluster group': the groups are another network's"
    if now.new_faces:
        return f"'facecluster group' looks at {counted(now.new_faces, 'new face')}"
    if not now.groups:
        return NO_GROUPS
    if not now.people:
        return "'facecluster groups'"
    if all(group.person for group in library.groups()):
        return "every group has a name: 'facecluster suggest --loose' for faces in no group"
    return "'facecluster groups' shows who has no name yet"


COMMANDS = (scan, status)
