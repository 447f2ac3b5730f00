"""From folders to faces: what is new or changed is read, detected, aligned, embedded and kept.

Killed at any moment, a scan loses at most the photos of one batch, about two seconds of work; the
next one goes on from there. A scan of unchanged folders opens no photo.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster import images
from facecluster.analyzer import Analyzer
from facecluster.engines import Engine, threads
from facecluster.images import Picture
from facecluster.library import KnownFile, Library, Unembedded
from facecluster.missing import check_plugged_in, really_gone
from facecluster.moments import file_of, is_clip
from facecluster.pace import work
from facecluster.pipeline import BATCH, Analyse, Here, Look, hashed, read, unread
from facecluster.records import Analysis, Face, FileStamp, Photo

__all__ = ["Scan", "Summary", "embed_known", "scan"]


@dataclass(slots=True)
class Summary:
    """A scan in figures, of files; faces counts those found in analysed photos.

    clips are those of the found that are video clips. linked files have content known from another
    file; embedded_again photos, among them single frames of clips, keep their faces and get vectors
    of another model; removed files are no longer there; still_unreadable ones could not be read
    before either and are as they were, so nobody tried; passed_over counts folders and files that
    could not even be listed; skipped ones are new or changed RAW photos and clips (skipped_clips)
    where the package to read them is not installed.
    """

    found: int = 0
    clips: int = 0
    unchanged: int = 0
    analysed: int = 0
    linked: int = 0
    embedded_again: int = 0
    removed: int = 0
    unreadable: int = 0
    still_unreadable: int = 0
    passed_over: int = 0
    skipped: int = 0
    skipped_clips: int = 0
    faces: int = 0

    @property
    def done(self) -> int:
        """Files looked at."""
        return self.analysed + self.linked + self.embedded_again + self.unreadable


# What was found in a file, of each of its pictures.
OfFile = tuple[FileStamp, Sequence[Analysis]]


def scan(
    library: Library,
    roots: Iterable[Path],
    analyzer: Analyzer,
    *,
    engine: Engine | None = None,
    analyse: Analyse | None = None,
    allow_empty: bool = False,
) -> Scan:
    """A scan of these folders (or files), ready to be iterated; before that only the network's name
    is written.

    engine hashes the files, by default in a few threads; analyse reads them and finds the faces, by
    default in this process. MissingRoot when a root is not there, or when none of the files known
    below it is left, unless allow_empty.
    """
    return Scan(
        library,
        roots,
        analyzer,
        engine or threads(),
        analyse or Here(analyzer, engine),
        allow_empty=allow_empty,
    )


class Scan:
    """The work to be done to bring the library up to date; iterating does it.

    Yields one Analysis for each photo looked at, and for each frame of a clip, after it was
    committed. total says how many files that will be of, total_work how much work their sizes are;
    summary and work_done what has been done so far; passed_over are the folders and files that
    could not even be listed, by path, with the reason.
    """

    def __init__(
        self,
        library: Library,
        roots: Iterable[Path],
        analyzer: Analyzer,
        engine: Engine,
        analyse: Analyse,
        *,
        allow_empty: bool,
    ) -> None:
        self._library, self._analyzer = library, analyzer
        self._engine, self._analyse = engine, analyse
        self._late: list[Look] = []
        self._roots = [os.path.abspath(root) for root in roots]
        self.passed_over: list[tuple[str, str]] = []
        found = self._find()
        self._found = [file.path for file in found]
        known = library.scanned.known_files(self._roots)
        if not allow_empty:
            check_plugged_in(self._roots, found, known)
        looks = (_look(file, known, analyzer.accepts) for file in found)
        self._looks = [look for look in looks if look]
        self._missing = known.keys() - set(self._found)
        embedder = analyzer.embedder
        self._model = library.scanned.register_model(
            fingerprint=embedder.fingerprint, name=embedder.name, dimension=embedder.dimension
        )
        looked_at = {look.file.path for look in self._looks}
        unembedded = library.scanned.unembedded(self._model, self._roots)
        again = [one.file for one in unembedded if file_of(one.file.path) not in looked_at]
        wanted = [look.file for look in self._looks] + again
        self._looks = [look for look in self._looks if _can_be_read(look.file)]
        readable = [file for file in wanted if _can_be_read(file)]
        self.total = len(readable)
        self.total_work = sum(map(_work, readable))
        self.work_done = 0
        hopeless = {path for path, before in known.items() if before.error} - looked_at
        self.summary = _beginning(found, wanted, hopeless)
        self.summary.passed_over = len(self.passed_over)

    def _find(self) -> list[FileStamp]:
        def pass_over(path: str, why: str) -> None:
            self.passed_over.append((path, why))

        return list(images.find_images(map(Path, self._roots), clips=True, pass_over=pass_over))

    def __iter__(self) -> Iterator[Analysis]:
        newest, stopped = self._library.scanned.begin(self._roots)
        yield from self._analyze()
        met_again = self.summary.linked > 0 or stopped
        missing = self._missing | (self._left_behind() if met_again else set())
        gone = really_gone(missing, self._found)
        self._library.scanned.remove(gone)
        self._library.scanned.follow(newest, self._roots)
        self.summary.removed = len(gone)
        yield from self._embed_again()
        self._library.scanned.finish(self._model)

    def _analyze(self) -> Iterator[Analysis]:
        """Hash ahead, recognise known content, and have the rest analysed."""
        with (
            closing(self._engine(hashed, self._looks)) as looks,
            closing(self._recognise(looks)) as recognised,
            closing(self._analyse(recognised)) as batches,
        ):
            for batch in batches:
                yield from self._commit(_analysed(batch))
                self._late += [replace(look, lost=False) for look in batch if look.lost]
                for look in batch:
                    if look.linked:
                        yield from self._link(look)
        if self._late:
            with closing(self._analyse(self._late, alone=True)) as batches:
                for batch in batches:
                    yield from self._commit(_analysed(batch))

    def _recognise(self, hashed: Iterable[Look]) -> Generator[Look, None, None]:
        """Mark the files whose content is known, or comes earlier in this scan."""
        coming: set[str] = set()
        for look in hashed:
            if look.sha256 is None:
                yield look
            elif look.sha256 in coming or self._known(look.sha256):
                yield replace(look, linked=True)
            else:
                coming.add(look.sha256)
                yield look

    def _commit(self, files: Sequence[OfFile]) -> Iterator[Analysis]:
        """Keep what was found in some files, of each all of its pictures."""
        analyses = [analysis for _, those in files for analysis in those]
        self._add(analyses)
        # All at once, before the first is yielded: who breaks off there is told what is kept.
        self.summary.unreadable += sum(those[0].photo is None for _, those in files)
        self.summary.analysed += sum(those[0].photo is not None for _, those in files)
        self.summary.faces += sum(len(analysis.faces) for analysis in analyses)
        self.work_done += sum(_work(file) for file, _ in files)
        yield from analyses

    def _link(self, look: Look) -> Iterator[Analysis]:
        known = self._known(look.sha256 or "")
        if not known:  # the file it is a copy of could not be read
            self._late.append(replace(look, linked=False))
            return
        analyses = [
            Analysis(replace(look.file, path=look.file.path + name), photo, faces, embeddings=None)
            for name, photo, faces in known
        ]
        self._add(analyses)
        self.summary.linked += 1
        self.work_done += _work(look.file)
        yield from analyses

    def _embed_again(self) -> Iterator[Analysis]:
        """Faces that this model has not seen: found by the same detector, before."""
        unembedded = self._library.scanned.unembedded(self._model, self._roots)
        again = [one for one in unembedded if _can_be_read(one.file)]
        read_one = partial(read, self._analyzer)
        with closing(threads()(read_one, (Look(one.file) for one in again))) as looks:
            batch: list[tuple[Unembedded, Look]] = []
            for one, look in zip(again, looks, strict=True):
                batch.append((one, look))
                if len(batch) == BATCH:
                    yield from self._commit_again(batch)
                    batch = []
            yield from self._commit_again(batch)

    def _commit_again(self, batch: Sequence[tuple[Unembedded, Look]]) -> Iterator[Analysis]:
        ready = [(one, look.pictures[0][1]) for one, look in batch if look.pictures]
        parts = embed_known(self._library, self._analyzer, self._model, ready)
        for (one, _), part in zip(ready, parts, strict=True):
            self.summary.embedded_again += 1
            self.work_done += _work(one.file)
            yield Analysis(one.file, one.photo, tuple(one.faces.values()), part)
        yield from self._commit([(look.file, [unread(look)]) for _, look in batch if look.error])

    def _left_behind(self) -> set[str]:
        """Where files that were met again used to be, outside the folders scanned now, and those
        that came along with them but were edited.

        A folder that was renamed, or a disk that has another name, is scanned by its new path only.
        """
        pairs = self._library.copies_elsewhere(self._roots)
        moved = {(file_of(old), file_of(new)) for old, new in pairs}
        left = {old for old in {old for old, _ in moved} if not os.path.lexists(old)}
        moved = {(old, new) for old, new in moved if old in left}
        names: dict[str, set[str]] = {}
        for was, now in {_renamed(old, new) for old, new in moved} - moved:
            names.setdefault(was, set()).add(now)
        found = set(self._found)
        for was, those in names.items():
            for path in self._library.scanned.known_files([was]).keys() - left:
                inside = path[len(was) :].lstrip(os.sep)
                along = not found.isdisjoint(os.path.join(now, inside) for now in those)
                if along and not os.path.lexists(path):
                    left.add(path)
        return left

    def _known(self, sha256: str) -> list[tuple[str, Photo, tuple[Face, ...]]]:
        return self._library.scanned.known_content(sha256, self._analyzer.accepts)

    def _add(self, analyses: Sequence[Analysis]) -> None:
        self._library.scanned.add(analyses, detector=self._analyzer.detector, model=self._model)


def embed_known(
    library: Library,
    analyzer: Analyzer,
    model: int,
    photos: Sequence[tuple[Unembedded, Picture]],
) -> list[NDArray[np.float32]]:
    """Keep embeddings of the known faces of some photos: of each photo the unit rows (N, D)."""
    faces = [tuple(one.faces.values()) for one, _ in photos]
    parts = analyzer.embed([picture for _, picture in photos], faces)
    if photos:
        ids = np.array([face for one, _ in photos for face in one.faces], dtype=np.int64)
        library.scanned.add_embeddings(model, ids, np.concatenate(parts))
    return parts


def _renamed(old: str, new: str) -> tuple[str, str]:
    """The folder that was renamed, and its new name, when this file has got another path."""
    while (name := os.path.basename(old)) and name == os.path.basename(new):
        old, new = os.path.dirname(old), os.path.dirname(new)
    return old, new  # two drives of Windows at last, whose names are empty


def _look(
    file: FileStamp, known: Mapping[str, KnownFile], accepts: Callable[[str | None], bool]
) -> Look | None:
    """What has to be looked at of a file; None when nothing has changed."""
    before = known.get(file.path)
    if before is None or before.stamp != file:
        return Look(file)
    if before.error:
        return Look(file) if images.may_pass(before.error) else None
    return None if accepts(before.detector) else Look(file, before.sha256)


def _analysed(looks: Sequence[Look]) -> list[OfFile]:
    return [(look.file, look.analyses) for look in looks if look.analyses]


def _can_be_read(file: FileStamp) -> bool:
    """Whether the package that its kind needs is installed."""
    path = file_of(file.path)
    if is_clip(path):
        return images.can_read_clips()
    return not images.is_raw(path) or images.can_read_raw()


def _work(file: FileStamp) -> int:
    """What it costs to look at a file: a clip as much as its frames, one of which is a photo."""
    return (BATCH if is_clip(file.path) else 1) * work(file.size)


def _beginning(
    found: Sequence[FileStamp], wanted: Sequence[FileStamp], hopeless: Collection[str]
) -> Summary:
    """The figures that are known before anything is read; files are wanted by one or more names,
    and the hopeless paths are those that nobody tries to read again."""
    files = {file_of(file.path) for file in wanted}
    skipped = {file_of(file.path) for file in wanted if not _can_be_read(file)}
    still_unreadable = sum(file.path in hopeless for file in found)
    return Summary(
        found=len(found),
        clips=sum(is_clip(file.path) for file in found),
        unchanged=len(found) - len(files) - still_unreadable,
        still_unreadable=still_unreadable,
        skipped=len(skipped),
        skipped_clips=sum(is_clip(path) for path in skipped),
    )
