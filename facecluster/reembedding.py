"""A library's faces seen by another network: found once, embedded again, their names kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facecluster.analyzer import Analyzer
from facecluster.engines import threads
from facecluster.errors import UnreadableImage
from facecluster.images import Picture, stamp_of
from facecluster.library import Library, Unembedded
from facecluster.moments import file_of
from facecluster.scan import embed_known

__all__ = ["Reembedding", "embed_unseen", "read_unchanged"]

_BATCH = 8


@dataclass(frozen=True, slots=True)
class Reembedding:
    """model is the network's number in the library; faces were embedded now; left counts those
    whose photos are changed, cannot be read or are not there now."""

    model: int
    faces: int
    left: int


def embed_unseen(
    library: Library,
    analyzer: Analyzer,
    *,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Reembedding:
    """Embed all faces that the analyzer's network has not seen, photo by photo.

    Vectors of other networks stay, each reachable through its own network only. Stopped at any
    moment, what is done is kept. The photos are read again, at a scan's speed without detection.
    """
    embedder = analyzer.embedder
    model = library.scanned.register_model(
        fingerprint=embedder.fingerprint, name=embedder.name, dimension=embedder.dimension
    )
    work = library.scanned.unembedded(model)
    done = faces = left = 0
    ready: list[tuple[Unembedded, Picture]] = []

    def read(one: Unembedded) -> tuple[Unembedded, Picture | None]:
        return one, read_unchanged(one, analyzer.read)

    with closing(threads()(read, work)) as pictures:
        for one, picture in pictures:
            done += 1
            if picture is None:
                left += len(one.faces)
            else:
                ready.append((one, picture))
                faces += len(one.faces)
            if len(ready) == _BATCH or done == len(work):
                embed_known(library, analyzer, model, ready)
                ready = []
                progress(done, len(work))
    return Reembedding(model, faces, left)


def read_unchanged(one: Unembedded, read: Callable[[Path], Picture]) -> Picture | None:
    """The photo; None when it cannot be read, or is no longer the one that was scanned."""
    path = Path(one.file.path)
    try:
        now = stamp_of(file_of(path))
        if (now.size, now.mtime_ns) != (one.file.size, one.file.mtime_ns):
            return None
        return read(path)
    except (OSError, UnreadableImage):
        return None
