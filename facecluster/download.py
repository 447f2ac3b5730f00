"""Fetch published weights when the user asks for it: the only network access of the project."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from facecluster.errors import ModelError

__all__ = ["PUBLISHED", "Published", "cache_folder", "cached", "download", "fetch"]

_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """A file that somebody publishes: where, how large, and how to know that it is the right one.

    sizes are the least and most bytes it may have, equal where the size is known. Without sha256
    only the size is checked here, and names and shapes of all tensors when the file is loaded. Of a
    .tar.gz only the member is kept.
    """

    url: str
    sizes: tuple[int, int]
    sha256: str | None
    member: str | None = None

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def kept(self) -> str:
        """The name of the file that stays."""
        return (self.member or self.filename).rsplit("/", 1)[-1]


PUBLISHED: dict[str, Published] = {
    # Size and checksum as PyPI states them, seen here too. Most of it is other models.
    "dlib": Published(
        "https://files.pythonhosted.org/packages/cf/3b/"
        "4fd8c534f6c0d1b80ce0973d01331525538045084c73c153ee6df20224cf/"
        "face_recognition_models-0.3.0.tar.gz",
        (100_149_358, 100_149_358),
        "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
        "face_recognition_models-0.3.0/face_recognition_models/models/"
        "dlib_face_recognition_resnet_model_v1.dat",
    ),
    # The application that others took it from; its checksum is what several of them state.
    "mobilefacenet": Published(
        "https://github.com/syaringan357/Android-MobileFaceNet-MTCNN-FaceAntiSpoofing/raw/master/"
        "app/src/main/assets/MobileFaceNet.tflite",
        (5_233_396, 5_233_396),
        "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
    ),
    # Size and checksum as several independent projects that pin this file state them.
    "vggface2": Published(
        _RELEASE + "20180402-114759-vggface2.pt",
        (111_898_327, 111_898_327),
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    ),
    # No checksum of this file could be found to trust. Its size follows from that of the other:
    # the same network and (10575 - 8631) x 513 numbers more, give or take the lengths of counters.
    "casia-webface": Published(
        _RELEASE + "20180408-102900-casia-webface.pt",
        (115_887_415 - 65_536, 115_887_415 + 65_536),
        None,
    ),
}


def cache_folder() -> Path:
    """Where downloaded weights are kept: a folder in the user's cache, which need not exist."""
    return user_cache_path("facecluster") / "models"


def cached(name: str) -> Path | None:
    """The downloaded file of this name in PUBLISHED, or None when it is not there or unknown."""
    published = PUBLISHED.get(name)
    path = cache_folder() / published.kept if published else None
    return path if path and path.is_file() else None


def download(name: str) -> Iterator[tuple[int, int]]:
    """Fetch PUBLISHED[name] into the cache, yielding (bytes there, bytes in all) as it goes.

    Nothing is fetched when it is there. As `fetch` otherwise.
    """
    if name not in PUBLISHED:
        known = ", ".join(PUBLISHED)
        raise ModelError(f"No weights named {name!r} are published; there are {known}.")
    if cached(name) is None:
        yield from fetch(PUBLISHED[name], cache_folder())


def fetch(published: Published, folder: Path) -> Iterator[tuple[int, int]]:
    """Fetch a file into a folder, yielding (bytes there, bytes in all), at least once.

    The bytes are collected in FILENAME.part, from which an interrupted fetch goes on; the file
    appears under its own name only when whole and checked. Raises ModelError when the server is
    out of reach, stops in between, or gives another file, and when the disk is full.
    """
    final = folder / published.kept
    partial = folder / f"{published.filename}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = partial.stat().st_size if partial.exists() else 0
        if there > published.sizes[1]:
            partial.unlink()
            there = 0
        _check_room(published, folder, there)
        if there < published.sizes[1]:  # that of a size not known for sure may still be cut short
            yield from _receive(published, partial, there)
        else:
            yield there, there
        _check(published, partial)
        if published.member:
            _unpack(partial, published.member, final)
        else:
            partial.replace(final)
    except (OSError, http.client.HTTPException) as error:
        raise ModelError(_sentence(error, published, folder)) from error


def _receive(published: Published, partial: Path, there: int) -> Iterator[tuple[int, int]]:
    answer = _ask(published, there)
    if answer is None:
        yield there, there
        return
    with answer:
        if published.url.startswith("https:") and not answer.url.startswith("https:"):
            raise ModelError(f"{published.url} leads to {answer.url}, which is not encrypted.")
        goes_on = there > 0 and _starts_at(answer, there)
        there = there if goes_on else 0
        total = there + int(answer.headers.get("Content-Length") or published.sizes[1] - there)
        if total > published.sizes[1]:
            raise ModelError(
                f"{published.url} now has {total} bytes instead of {published.sizes[1]}: it is "
                "another file, and is not fetched."
            )
        with partial.open("ab" if goes_on else "wb") as file:
            yield there, total
            while block := answer.read(min(_BLOCK, published.sizes[1] + 1 - there)):
                file.write(block)
                file.flush()
                there += len(block)
                yield there, total
                if there > published.sizes[1]:
                    break
    if there < total:
        raise ModelError(
            f"The connection broke after {there} of {total} bytes of {published.filename}: run the "
            "same command again to go on from there."
        )


def _ask(published: Published, there: int) -> http.client.HTTPResponse | None:
    """The server's answer when it is asked for what is not there yet; None when that is nothing."""
    request = urllib.request.Request(published.url)
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if not (there and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            raise
        error.close()
        whole = error.headers.get("Content-Range", "").removeprefix("bytes */")
        # A part longer than the whole is of another file: begin again.
        return None if whole in ("", str(there)) else _ask(published, 0)
    return answer


def _starts_at(answer: http.client.HTTPResponse, there: int) -> bool:
    """Whether the server answers with the rest alone; many send the whole file instead."""
    content_range = answer.headers.get("Content-Range", "")
    return answer.status == 206 and content_range.startswith(f"bytes {there}-")


def _check_room(published: Published, folder: Path, there: int) -> None:
    needed = published.sizes[1] - there
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, f"{needed} bytes are needed")


def _check(published: Published, partial: Path) -> None:
    size = partial.stat().st_size
    digest = hashlib.sha256()
    with partial.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    right = published.sizes[0] <= size <= published.sizes[1]
    if right and published.sha256 in (None, digest.hexdigest()):
        return
    partial.unlink()
    raise ModelError(
        f"What {published.url} gave is not the published file ({size} bytes, SHA-256 "
        f"{digest.hexdigest()[:16]}...): it was deleted. Try again, or look into who answers there."
    )


def _unpack(archive: Path, member: str, final: Path) -> None:
    """Keep one file of the archive, whole or not at all, and nothing else."""
    partial = final.with_name(f"{final.name}.part")
    with tarfile.open(archive) as files, partial.open("wb") as file:
        found = files.extractfile(member)
        assert found is not None  # the archive's checksum is known, and so is what it holds
        shutil.copyfileobj(found, file)
    partial.replace(final)
    archive.unlink()


def _sentence(error: Exception, published: Published, folder: Path) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"{published.url} cannot be fetched: the server answers {error.code}."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        megabytes = published.sizes[1] // 1_000_000
        return f"The disk is full: {published.filename} needs {megabytes} MB in {folder}."
    if isinstance(error, PermissionError):
        return f"{folder} may not be written: check its permissions."
    reason = getattr(error, "reason", None) or error
    return (
        f"{published.url} cannot be fetched ({reason}): check the connection and run the same "
        "command again; what has arrived is kept."
    )
