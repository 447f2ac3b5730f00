"""A scan carried out and told: a bar for a person, a JSON object a line for a script."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from facecluster.cli.output import Progress, note, print_json_line
from facecluster.counted import counted
from facecluster.pace import Pace

if TYPE_CHECKING:
    from facecluster.scan import Scan, Summary

__all__ = ["carry_out", "print_summary"]

_FEW = 5  # folders and files passed over that are told one by one
_PAUSE = 1.0  # seconds between two lines that say how far the scan is


def carry_out(run: Scan, began: float, *, as_json: bool) -> None:
    """Do the whole scan, begun at this time.monotonic(), and tell how far it is.

    Ctrl+C ends the program with exit code 130; what is committed by then is kept.
    """
    _tell_passed_over(run.passed_over, as_json=as_json)
    try:
        if as_json:
            _print_lines(run, began)
        else:
            _show_bar(run)
    except KeyboardInterrupt:
        if as_json:
            print_summary(run.summary, time.monotonic() - began, interrupted=True)
        note(f"Stopped: {counted(run.summary.done, 'photo')} done, run again to go on.")
        click.get_current_context().exit(130)


def print_summary(
    summary: Summary,
    seconds: float,
    grouping: Mapping[str, object] | None = None,
    *,
    interrupted: bool = False,
) -> None:
    """Print the last line of a scan's JSON, grouping being what a grouping right after came to."""
    figures = {**dataclasses.asdict(summary), "seconds": round(seconds, 3)}
    if grouping:
        figures["grouping"] = grouping
    print_json_line({"message_type": "summary", **figures, "interrupted": interrupted})


def _show_bar(run: Scan) -> None:
    pace, before = Pace(run.total_work), 0
    with Progress("photos") as bar:
        for _ in run:
            pace.add(run.work_done - before)
            before = run.work_done
            bar.show(run.summary.done, run.total, seconds_left=pace.seconds_left())


def _print_lines(run: Scan, began: float) -> None:
    pace, told, before = Pace(run.total_work), began, 0
    if run.total:
        _print_status(run, pace, began)
    for analysis in run:
        pace.add(run.work_done - before)
        before = run.work_done
        if analysis.error:
            _print_error(analysis.file.path, analysis.error)
        if time.monotonic() - told >= _PAUSE:
            _print_status(run, pace, began)
            told = time.monotonic()


def _print_status(run: Scan, pace: Pace, began: float) -> None:
    left = pace.seconds_left()
    print_json_line(
        {
            "message_type": "status",
            "done": run.summary.done,
            "total": run.total,
            "faces": run.summary.faces,
            "unreadable": run.summary.unreadable,
            "seconds": round(time.monotonic() - began, 3),
            "seconds_left": None if left is None else round(left, 1),
        }
    )


def _print_error(path: str, error: str) -> None:
    print_json_line({"message_type": "error", "path": path, "error": error})


def _tell_passed_over(found: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        for path, why in found:
            _print_error(path, f"{path} {why}.")
        return
    for path, why in found[:_FEW]:
        note(f"{path} {why}.")
    if len(found) > _FEW:
        note(f"And {len(found) - _FEW} more like that: 'scan --json' tells all.")
