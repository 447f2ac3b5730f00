"""MTCNN's weights as facenet-pytorch's wheel carries them, told apart without torch."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from facecluster.errors import ModelError

__all__ = ["LEAST_SCORE", "damaged", "digest", "files"]

# The probability of a face that each network must give it, as in facenet_pytorch.MTCNN.
LEAST_SCORE = {"pnet": 0.6, "rnet": 0.7, "onet": 0.7}


def files() -> dict[str, Path]:
    """The file of each network's weights. ModelError when facenet-pytorch is not installed.

    They are read as files, because importing that package takes two seconds.
    """
    spec = find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise ModelError(
            "The face detector needs facenet-pytorch: run pip install facenet-pytorch."
        )
    folder = Path(spec.origin).parent / "data"
    return {name: folder / f"{name}.pt" for name in LEAST_SCORE}


def digest() -> str:
    """The first digits of the SHA-256 of all three; ModelError when one cannot be read."""
    sha256 = hashlib.sha256()
    for path in files().values():
        try:
            sha256.update(path.read_bytes())
        except OSError as error:
            raise damaged(path) from error
    return sha256.hexdigest()[:8]


def damaged(path: Path) -> ModelError:
    """The error for a file that cannot be used."""
    return ModelError(f"{path} is damaged: reinstall facenet-pytorch.")
