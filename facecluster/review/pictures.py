"""The pictures of the page, as JPEG bytes: never a file itself, always what was read of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from facecluster.errors import UsageError
from facecluster.images import read
from facecluster.library import Library
from facecluster.portraits import as_jpeg, cut

__all__ = ["Pictures"]

_FACE, _LONGEST = 160, 1280
# Of 6 kB each; scrolling back shows them again without reading the photos.
_KEPT = 4096


class Pictures:
    """Faces and photos of one library; the faces looked at last are kept in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = lru_cache(_KEPT)(self._face)

    def face(self, number: int) -> bytes:
        """The face and a little around it, 160 pixels square; UsageError, UnreadableImage."""
        with Library.open(self._path) as library:
            library.overview.photo_of(number)  # it may have been forgotten since
        return self._kept(number)

    def photo(self, number: int) -> bytes:
        """The photo, upright, about 1280 pixels long; UsageError, UnreadableImage."""
        with Library.open(self._path) as library:
            path = library.photo(number).path
        return as_jpeg(Image.fromarray(read(Path(path), longest=_LONGEST).pixels))

    def _face(self, number: int) -> bytes:
        with Library.open(self._path) as library:
            photo = library.photo(library.overview.photo_of(number))
            found = {face.face: face for face in library.faces(photo=photo.photo)}
        if number not in found:
            raise UsageError(f"Face {number} is left out.")
        picture = read(Path(photo.path), longest=_LONGEST)
        return as_jpeg(cut(picture, found[number].box, _FACE))
