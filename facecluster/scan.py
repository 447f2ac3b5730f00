"""From folders to faces: what is new or changed is read, detected, aligned, embedded and kept.

Killed at any moment, a scan loses at most the photos of one batch, about two seconds of work; the
next one goes on from there. A scan of unchanged folders opens no photo.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster import images
from facecluster.align import TEMPLATE_SIZE, crop
from facecluster.engines import Engine, threads
from facecluster.errors import UnreadableImage
from facecluster.images import LONGEST, Picture
from facecluster.library import KnownFile, Library, Unembedded
from facecluster.missing import check_plugged_in, really_gone
from facecluster.quality import measure
from facecluster.records import Analysis, Face, FileStamp, Photo

if TYPE_CHECKING:
    from facecluster.detect import Detection, Detector
    from facecluster.embed import Embedder

__all__ = ["Analyzer", "Found", "Scan", "Summary", "scan"]

# Pictures that the networks see together. More gains little and holds more of them in memory.
_BATCH = 8
# Files without work for the networks (moved, unreadable) that are written together.
_FILES = 256
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of one picture and their unit rows (N, D); row i is face i."""

    faces: tuple[Face, ...]
    embeddings: NDArray[np.float32]


@dataclass(slots=True)
class Summary:
    """A scan in figures, of files; faces counts those found in analysed photos.

    linked files have content known from another file; embedded_again photos keep their faces and
    get vectors of another model; removed files are no longer there.
    """

    found: int = 0
    unchanged: int = 0
    analysed: int = 0
    linked: int = 0
    embedded_again: int = 0
    removed: int = 0
    unreadable: int = 0
    faces: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """A file on its way: hashed, then either recognised as known content, or read."""

    file: FileStamp
    sha256: str | None = None
    linked: bool = False
    picture: Picture | None = None
    error: str | None = None


class Analyzer:
    """Detector, alignment and network as one step from pictures to faces with embeddings.

    detector is the name under which results are kept: it changes when other faces may be found.
    What the same weights found with other settings can stay, unless it insists.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        *,
        longest: int = LONGEST,
        insists: bool = False,
    ) -> None:
        self._detector = detector
        self._longest = longest
        self._insists = insists
        self.embedder = embedder
        self.detector = f"{detector.name} {longest}px"

    def accepts(self, detector: str | None) -> bool:
        """Whether what that detector found, by its name, can stay."""
        if detector is None or self._insists:
            return detector == self.detector
        return detector.split()[:1] == self.detector.split()[:1]

    def read(self, path: Path) -> Picture:
        """The picture at the size that the detector is given; raises UnreadableImage."""
        return images.read(path, longest=self._longest)

    def analyze(self, pictures: Sequence[Picture]) -> list[Found]:
        """The faces of each picture; both networks see those of all pictures together."""
        detected = self._detector.detect(pictures)
        aligned = [
            [pair for detection in detections if (pair := self._align(picture, detection))]
            for picture, detections in zip(pictures, detected, strict=True)
        ]
        rows = self._embed([pixels for pairs in aligned for _, pixels in pairs])
        parts = _split(rows, [len(pairs) for pairs in aligned])
        return [
            Found(tuple(face for face, _ in pairs), part)
            for pairs, part in zip(aligned, parts, strict=True)
        ]

    def embed(
        self, pictures: Sequence[Picture], faces: Sequence[Sequence[Face]]
    ) -> list[NDArray[np.float32]]:
        """Unit rows (N, D) for the N known faces of each picture."""
        crops = [
            self._crop(picture, np.asarray(face.landmarks) / picture.scale)
            for picture, mine in zip(pictures, faces, strict=True)
            for face in mine
        ]
        return _split(self._embed(crops), [len(mine) for mine in faces])

    def _align(self, picture: Picture, found: Detection) -> tuple[Face, NDArray[np.uint8]] | None:
        """The face and its crop; None for one so broken that it has no size."""
        points = np.asarray(found.landmarks, dtype=np.float64)
        try:
            pixels = self._crop(picture, points / picture.scale)
            # Sharpness is compared between faces, so its crop has one size with every network.
            sample = crop(picture.pixels, points / picture.scale, TEMPLATE_SIZE)
        except ValueError:
            return None
        return Face(found.box, found.landmarks, found.score, measure(points, sample)), pixels

    def _crop(self, picture: Picture, points: NDArray[np.float64]) -> NDArray[np.uint8]:
        return crop(picture.pixels, points, self.embedder.crop_size, self.embedder.margin)

    def _embed(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if not crops:
            return np.empty((0, self.embedder.dimension), dtype=np.float32)
        rows: NDArray[np.float32] = self.embedder.embed(np.stack(crops))
        return rows


def scan(
    library: Library,
    roots: Iterable[Path],
    analyzer: Analyzer,
    *,
    engine: Engine | None = None,
    allow_empty: bool = False,
) -> Scan:
    """A scan of these folders (or files), ready to be iterated; nothing is written before that.

    engine hashes and reads files, and gives the networks batches of pictures; by default each in a
    few threads. MissingRoot when a root is not there, or when none of the files known below it is
    left, unless allow_empty.
    """
    return Scan(
        library,
        roots,
        analyzer,
        engine or threads(),
        engine or _networks_side_by_side(),
        allow_empty=allow_empty,
    )


def _networks_side_by_side() -> Engine:
    """A batch for each core, computed by that core alone.

    One batch spread over two cores leaves them idle while Python handles its boxes: side by side
    two batches take 0.7 of the time, and 0.75 of the processors'.
    """
    from facecluster.embed import use_one_core

    workers = min(8, os.cpu_count() or 1)
    return threads(workers=workers, ahead=workers + 1, begin=use_one_core)


class Scan:
    """The work to be done to bring the library up to date; iterating does it.

    Yields one Analysis for each file looked at, after it was committed. total says how many that
    will be, summary what has been done so far.
    """

    def __init__(
        self,
        library: Library,
        roots: Iterable[Path],
        analyzer: Analyzer,
        engine: Engine,
        networks: Engine,
        *,
        allow_empty: bool,
    ) -> None:
        self._library, self._analyzer = library, analyzer
        self._engine, self._networks = engine, networks
        self._roots = [os.path.abspath(root) for root in roots]
        found = list(images.find_images(Path(root) for root in self._roots))
        known = library.scanned.known_files(self._roots)
        if not allow_empty:
            check_plugged_in(self._roots, found, known)
        self._looks = [
            look for look in (_look(file, known, analyzer.accepts) for file in found) if look
        ]
        self._missing = known.keys() - {file.path for file in found}
        embedder = analyzer.embedder
        self._model = library.scanned.register_model(
            fingerprint=embedder.fingerprint, name=embedder.name, dimension=embedder.dimension
        )
        looked_at = {look.file.path for look in self._looks}
        again = [
            work
            for work in library.scanned.unembedded(self._model, self._roots)
            if work.file.path not in looked_at
        ]
        self.total = len(self._looks) + len(again)
        self.summary = Summary(found=len(found), unchanged=len(found) - self.total)

    def __iter__(self) -> Iterator[Analysis]:
        yield from self._analyze()
        gone = really_gone(self._missing)
        self._library.scanned.remove(gone)
        self.summary.removed = len(gone)
        yield from self._embed_again()
        self._library.scanned.finish(self._model)

    def _analyze(self) -> Iterator[Analysis]:
        """Hash ahead, recognise known content, read ahead, and let the networks see the rest."""
        with (
            closing(self._engine(_hash, self._looks)) as hashed,
            closing(self._recognise(hashed)) as recognised,
            closing(self._engine(self._read, recognised)) as looks,
            closing(_batches(looks)) as batches,
            closing(self._networks(self._find, batches)) as found,
        ):
            for looks_with_faces in found:
                yield from self._commit(looks_with_faces)
                for look, _ in looks_with_faces:
                    if look.linked:
                        yield from self._link(look)

    def _recognise(self, hashed: Iterable[_Look]) -> Generator[_Look, None, None]:
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

    def _read(self, look: _Look) -> _Look:
        if look.linked or look.error:
            return look
        try:
            return replace(look, picture=self._analyzer.read(Path(look.file.path)))
        except UnreadableImage as error:
            return replace(look, error=str(error))

    def _find(self, looks: Sequence[_Look]) -> list[tuple[_Look, Found | None]]:
        """The files of a batch with what is on those that have a picture."""
        pictures = [look.picture for look in looks if look.picture]
        found = iter(self._analyzer.analyze(pictures) if pictures else ())
        return [(look, next(found) if look.picture else None) for look in looks]

    def _commit(self, looks: Sequence[tuple[_Look, Found | None]]) -> Iterator[Analysis]:
        analyses = [_analysis(look, found) for look, found in looks if not look.linked]
        self._add(analyses)
        for analysis in analyses:
            self.summary.unreadable += analysis.photo is None
            self.summary.analysed += analysis.photo is not None
            self.summary.faces += len(analysis.faces)
            yield analysis

    def _link(self, look: _Look) -> Iterator[Analysis]:
        known = self._known(look.sha256 or "")
        if known is None:  # the file it is a copy of could not be read
            yield from self._commit(self._find([self._read(replace(look, linked=False))]))
            return
        analysis = Analysis(look.file, *known, embeddings=None)
        self._add([analysis])
        self.summary.linked += 1
        yield analysis

    def _embed_again(self) -> Iterator[Analysis]:
        """Faces that this model has not seen: found by the same detector, before."""
        work = self._library.scanned.unembedded(self._model, self._roots)
        with closing(self._engine(self._read, (_Look(one.file) for one in work))) as looks:
            batch: list[tuple[Unembedded, _Look]] = []
            for one, look in zip(work, looks, strict=True):
                batch.append((one, look))
                if len(batch) == _BATCH:
                    yield from self._commit_again(batch)
                    batch = []
            yield from self._commit_again(batch)

    def _commit_again(self, batch: Sequence[tuple[Unembedded, _Look]]) -> Iterator[Analysis]:
        ready = [(one, look.picture) for one, look in batch if look.picture]
        faces = [tuple(one.faces.values()) for one, _ in ready]
        parts = self._analyzer.embed([picture for _, picture in ready], faces)
        if ready:
            ids = np.array([face for one, _ in ready for face in one.faces], dtype=np.int64)
            self._library.scanned.add_embeddings(self._model, ids, np.concatenate(parts))
        for (one, _), mine, part in zip(ready, faces, parts, strict=True):
            self.summary.embedded_again += 1
            yield Analysis(one.file, one.photo, mine, part)
        yield from self._commit([(look, None) for _, look in batch if look.error])

    def _known(self, sha256: str) -> tuple[Photo, tuple[Face, ...]] | None:
        return self._library.scanned.known_photo(sha256, self._analyzer.accepts)

    def _add(self, analyses: Sequence[Analysis]) -> None:
        self._library.scanned.add(analyses, detector=self._analyzer.detector, model=self._model)


def _look(
    file: FileStamp, known: Mapping[str, KnownFile], accepts: Callable[[str | None], bool]
) -> _Look | None:
    """What has to be looked at of a file; None when nothing has changed."""
    before = known.get(file.path)
    if before is None or before.stamp != file:
        return _Look(file)
    if before.error or accepts(before.detector):
        return None
    return _Look(file, before.sha256)


def _hash(look: _Look) -> _Look:
    if look.sha256:
        return look
    try:
        return replace(look, sha256=images.content_hash(Path(look.file.path)))
    except UnreadableImage as error:
        return replace(look, error=str(error))


def _batches(looks: Iterable[_Look]) -> Generator[list[_Look], None, None]:
    """Lists of files to be committed together, so sized that each takes at most about 2 s."""
    size = _BATCH
    batch: list[_Look] = []
    begun = time.monotonic()
    for look in looks:
        batch.append(look)
        pictures = sum(look.picture is not None for look in batch)
        if pictures < size and len(batch) < _FILES and time.monotonic() - begun < _SECONDS:
            continue
        yield batch
        elapsed = time.monotonic() - begun
        if pictures:
            size = max(1, min(_BATCH, int(pictures * _SECONDS / max(elapsed, 1e-3))))
        batch, begun = [], time.monotonic()
    if batch:
        yield batch


def _analysis(look: _Look, found: Found | None) -> Analysis:
    if found is None or look.picture is None:
        return Analysis(look.file, None, (), None, look.error or "It could not be read.")
    picture = look.picture
    photo = Photo(
        look.sha256 or "", picture.width, picture.height, picture.orientation, picture.taken_at
    )
    return Analysis(look.file, photo, found.faces, found.embeddings)


def _split(rows: NDArray[np.float32], sizes: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
