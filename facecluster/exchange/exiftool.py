"""Write an XMP packet into a photo's file, by exiftool (Phil Harvey), where it is installed.

The photo is never written to: exiftool makes a new file beside it, which is read back, and takes
its place only when the packet is the one that was meant and the picture is the same. The photo as
it was stays beside it as PHOTO_original, the name that exiftool itself gives, unless there is one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from facecluster import images
from facecluster.errors import FaceclusterError, UnreadableImage
from facecluster.exchange.matching import Named, Rejected
from facecluster.exchange.packets import all_embedded, embedded
from facecluster.exchange.sidecar import Change, change_of
from facecluster.exchange.tree import UnusableFile
from facecluster.records import FileStamp, Photo

__all__ = ["change_for", "clear_rests", "find_exiftool", "write"]

_SECONDS = 120
_PREFIX = ".facecluster-"  # of the folder in which the new file is made
_STALE = 86_400.0  # seconds, after which nobody works in such a folder any more


def find_exiftool() -> str:
    """The program's path; FaceclusterError, with what to do, when it is not installed."""
    found = shutil.which("exiftool")
    if found is None:
        raise FaceclusterError(
            "--embed needs exiftool, which is not installed (exiftool.org; on Debian: apt install "
            "libimage-exiftool-perl). Without --embed, names go into sidecars."
        )
    return found


def change_for(
    photo: Photo, path: Path, named: Sequence[Named], rejected: Sequence[Rejected]
) -> Change | None:
    """How the packet inside the photo's file must change to say what the user said.

    As `sidecar.change_for`. UnusableFile, too, for a file with several packets, or one that goes on
    in another place, as Adobe does it with large ones: what is there would be lost.
    """
    try:
        unchanged = images.content_hash(path) == photo.sha256
    except UnreadableImage as error:
        raise UnusableFile("is gone or may not be read") from error
    if not unchanged:
        raise UnusableFile("has changed since it was scanned: 'facecluster scan' it first")
    packets = all_embedded(path)
    if len(packets) > 1 or any(b"HasExtendedXMP" in packet for packet in packets):
        raise UnusableFile("has metadata in two pieces: names can go into its sidecar only")
    return change_of(photo, path, next(iter(packets), None), named, rejected)


def write(change: Change, exiftool: str) -> FileStamp:
    """Put the packet into the photo, whole or not at all; the stamp of the file as it is then.

    UnusableFile when the file has changed since, or is of a kind that cannot carry a packet, or
    when what was read back is not what was meant; the photo stays as it was.
    """
    target = Path(os.path.realpath(change.path))
    if embedded(target) != change.before:
        raise UnusableFile("was changed by another program meanwhile: try again")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=_PREFIX) as folder:
            fresh = Path(folder, f"new{target.suffix}")
            Path(folder, "packet.xmp").write_bytes(change.after)
            _run(exiftool, target, fresh)
            _check(target, fresh, change.after)
            with open(fresh, "r+b") as file:  # Windows flushes only what may be written
                os.fsync(file.fileno())
            shutil.copymode(target, fresh)
            _keep(target, Path(folder))
            os.replace(fresh, target)
    except OSError as error:
        raise UnusableFile(f"cannot be written: {error.strerror or error}") from error
    return images.stamp_of(str(change.path))


def clear_rests(folders: Iterable[Path]) -> None:
    """Delete what a run that was killed left in these folders; no other file is touched."""
    for folder in folders:
        for rest in folder.glob(f"{_PREFIX}????????"):
            with contextlib.suppress(OSError):
                names = set(os.listdir(rest))
                ours = all(name.startswith(("packet.xmp", "new.", "original")) for name in names)
                if ours and time.time() - rest.stat().st_mtime > _STALE:
                    shutil.rmtree(rest)


def _run(exiftool: str, photo: Path, fresh: Path) -> None:
    """Make the fresh file of the photo and the packet.xmp beside the fresh file."""
    # Without the user's own configuration, which is a program; as a block, byte for byte. Names
    # without folders, as exiftool reads a % in these two as a code.
    words = [exiftool, "-config", "", "-q", "-o", fresh.name, "-xmp<=packet.xmp", str(photo)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, cwd=fresh.parent)
    except subprocess.TimeoutExpired as error:
        raise UnusableFile(f"was given up after {_SECONDS} seconds of exiftool") from error
    if done.returncode != 0 or not fresh.exists():
        told = done.stderr.decode(errors="replace").strip().splitlines()
        reason = told[0].removeprefix("Error: ").split(" - ")[0] if told else "it made no file"
        raise UnusableFile(f"cannot be given names by exiftool: {reason}")


def _check(before: Path, after: Path, packet: bytes) -> None:
    """UnusableFile unless the new file has the packet, and the picture that the old one has."""
    if _bare(embedded(after) or b"") != _bare(packet):
        raise UnusableFile("is left as it is: what was read back is not what was written")
    try:
        old, new = images.read(before), images.read(after)
    except UnreadableImage as error:
        raise UnusableFile(f"is left as it is: {error}".rstrip(".")) from error
    same = (old.width, old.height, old.orientation, old.taken_at) == (
        new.width,
        new.height,
        new.orientation,
        new.taken_at,
    )
    if not same or not np.array_equal(old.pixels, new.pixels):
        raise UnusableFile("is left as it is: the picture would not have been the same")


def _bare(packet: bytes) -> bytes:
    """The packet without the marks around it, which exiftool adds and alters."""
    return re.sub(rb"<\?xpacket.*?\?>", b"", packet).strip()


def _keep(photo: Path, folder: Path) -> None:
    """Leave the photo as it is under a second name, the first time; a copy is made in the folder.

    So no other file is left when this is stopped, whose name might be longer than any may be.
    """
    original = photo.with_name(f"{photo.name}_original")
    if os.path.exists(original):
        return
    try:
        os.link(photo, original)
    except OSError:  # a disk without hard links
        shutil.copy2(photo, folder / "original")
        os.replace(folder / "original", original)
