"""Files on their way through a scan: hashed, read, analysed, here or in other processes.

A `Look` goes from stage to stage; nothing here knows of a database.
"""

from __future__ import annotations

import functools
import os
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from facecluster import images
from facecluster.analyzer import Analyzer, Found
from facecluster.engines import Engine, threads
from facecluster.errors import FaceclusterError, UnreadableImage
from facecluster.images import Picture
from facecluster.moments import is_clip
from facecluster.processors import cores
from facecluster.records import Analysis, FileStamp, Photo

__all__ = ["BATCH", "Analyse", "Elsewhere", "Here", "Look", "hashed", "read", "unread"]

# Pictures that the networks see together. More gains little and holds more of them in memory.
BATCH = 8
# Files without work for the networks (moved, unreadable) that are written together.
_FILES = 256
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """A file on its way: hashed, then recognised as known content (linked), or read and analysed.

    pictures are what it shows, each with what follows the path in its name: one with nothing of a
    photo, several of a clip. error says why it could not be hashed or read. Who analysed it sets
    analyses, one a picture, and drops the pictures; lost says that whoever did so died, absent that
    its file is not there where it should be read.
    """

    file: FileStamp
    sha256: str | None = None
    linked: bool = False
    pictures: tuple[tuple[str, Picture], ...] = ()
    error: str | None = None
    analyses: tuple[Analysis, ...] = ()
    lost: bool = False
    absent: bool = False


class Analyse(Protocol):
    """Turns hashed files into analysed ones, in batches to be committed together, in order.

    Linked ones come out as they went in. alone is for files whose worker died: each is a batch of
    its own, and one whose worker dies again comes out as unreadable.
    """

    def __call__(
        self, looks: Iterable[Look], *, alone: bool = False
    ) -> Generator[list[Look], None, None]:
        """The batches."""
        ...


class Here:
    """Analyses in this process: one engine reads files ahead, another runs the networks.

    By default each has a few threads, the networks' computing with one core each: one batch spread
    over two cores leaves them idle while Python handles its boxes; side by side two batches take
    0.7 of the time, and 0.75 of the processors'.
    """

    def __init__(self, analyzer: Analyzer, engine: Engine | None = None) -> None:
        workers = min(8, cores())
        self._analyzer = analyzer
        self._files = engine or threads()
        self._networks = engine or threads(workers=workers, ahead=workers + 1, begin=_use_one_core)

    def __call__(
        self, looks: Iterable[Look], *, alone: bool = False
    ) -> Generator[list[Look], None, None]:
        """The batches."""
        with (
            closing(self._files(functools.partial(read, self._analyzer), looks)) as pictures,
            closing(_batches(pictures, most=1 if alone else BATCH)) as batches,
            closing(self._networks(functools.partial(_find, self._analyzer), batches)) as found,
        ):
            yield from found


class Elsewhere:
    """Analyses in the workers of an engine, which are processes, perhaps on other machines.

    Each opens an analyzer of its own, by a function that can be pickled and that gives one equal to
    `like`: FaceclusterError when a worker has another version. Files are read by the workers, under
    the same path as here; FaceclusterError when they do not see one that is there.
    """

    def __init__(self, engine: Engine, opener: Callable[[], Analyzer], like: Analyzer) -> None:
        self._engine = engine
        self._work = _InWorker(pickle.dumps(opener), _kind(like))

    def __call__(
        self, looks: Iterable[Look], *, alone: bool = False
    ) -> Generator[list[Look], None, None]:
        """The batches."""
        with (
            closing(_batches(looks, most=1 if alone else BATCH)) as batches,
            closing(self._engine(self._work, batches, lost=_given_up if alone else _lost)) as found,
        ):
            for batch in found:
                for look in batch:
                    if look.absent and os.path.exists(look.file.path):
                        raise FaceclusterError(
                            f"A worker does not see {look.file.path}: the photos must be on a file"
                            " system that all workers have, under the same paths as here."
                        )
                yield batch


@dataclass(frozen=True, slots=True)
class _InWorker:
    """What a worker does with a batch; the analyzer is opened for the first one and kept."""

    opener: bytes
    kind: tuple[str, str]

    def __call__(self, looks: Sequence[Look]) -> list[Look]:
        with _opening:
            analyzer = _opened(self.opener)
        if _kind(analyzer) != self.kind:
            raise FaceclusterError(
                "A worker has another version of facecluster or of its networks than this program:"
                " install the same on all machines."
            )
        seen = [read(analyzer, look) for look in looks]
        if any(look.pictures for look in seen):
            # Before the first computation: threads that torch has begun go on waiting busily.
            _use_one_core()
        return _find(analyzer, seen)


_opening = threading.Lock()


@functools.lru_cache(maxsize=1)
def _opened(opener: bytes) -> Analyzer:
    analyzer: Analyzer = pickle.loads(opener)()
    return analyzer


def _kind(analyzer: Analyzer) -> tuple[str, str]:
    return analyzer.detector, analyzer.embedder.fingerprint


def _use_one_core() -> None:
    from facecluster.embed import use_one_core

    use_one_core()


def hashed(look: Look) -> Look:
    """The file with the hash of its content, or with why it cannot be read."""
    if look.sha256:
        return look
    try:
        return replace(look, sha256=images.content_hash(Path(look.file.path)))
    except UnreadableImage as error:
        return replace(look, error=str(error), absent=not os.path.exists(look.file.path))


def read(analyzer: Analyzer, look: Look) -> Look:
    """The file with its pictures, if they are wanted, or with why it cannot be read."""
    if look.linked or look.error:
        return look
    try:
        return replace(look, pictures=tuple(analyzer.read_all(Path(look.file.path))))
    except UnreadableImage as error:
        return replace(look, error=str(error), absent=not os.path.exists(look.file.path))


def unread(look: Look) -> Analysis:
    """What is kept of a file that cannot be read."""
    return Analysis(look.file, None, (), None, look.error or "It could not be read.")


def _find(analyzer: Analyzer, looks: Sequence[Look]) -> list[Look]:
    """The files of a batch, those that are not linked with what is on them."""
    pictures = [picture for look in looks for _, picture in look.pictures]
    found = iter(analyzer.analyze(pictures) if pictures else ())
    return [look if look.linked else _analysed(look, found) for look in looks]


def _analysed(look: Look, found: Iterator[Found]) -> Look:
    """The file with what `found`, which tells of its pictures next, has on each of them."""
    if not look.pictures:
        return replace(look, analyses=(unread(look),))
    analyses = [_analysis(look, name, picture, next(found)) for name, picture in look.pictures]
    return replace(look, analyses=tuple(analyses), pictures=())


def _analysis(look: Look, name: str, picture: Picture, found: Found) -> Analysis:
    photo = Photo(
        (look.sha256 or "") + name,
        picture.width,
        picture.height,
        picture.orientation,
        picture.taken_at,
    )
    file = replace(look.file, path=look.file.path + name)
    return Analysis(file, photo, found.faces, found.embeddings)


def _lost(looks: Sequence[Look]) -> list[Look]:
    return [look if look.linked else replace(look, lost=True) for look in looks]


def _given_up(looks: Sequence[Look]) -> list[Look]:
    why = "The process that looked at it died, twice: it may need more memory than there is."
    return [replace(look, analyses=(unread(replace(look, error=why)),)) for look in looks]


def _batches(looks: Iterable[Look], *, most: int) -> Generator[list[Look], None, None]:
    """Lists of files to be committed together, so sized that each takes at most about 2 s."""
    size = most
    batch: list[Look] = []
    begun = time.monotonic()
    for look in looks:
        batch.append(look)
        wanted = sum(_wanted(look) for look in batch)
        if wanted < size and len(batch) < _FILES and time.monotonic() - begun < _SECONDS:
            continue
        yield batch
        elapsed = time.monotonic() - begun
        if wanted:
            size = max(1, min(most, int(wanted * _SECONDS / max(elapsed, 1e-3))))
        batch, begun = [], time.monotonic()
    if batch:
        yield batch


def _wanted(look: Look) -> int:
    """How many pictures the networks will see of it; not read yet, a clip may have a batch."""
    if look.linked or look.error:
        return 0
    return len(look.pictures) or (BATCH if is_clip(look.file.path) else 1)
