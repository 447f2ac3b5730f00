"""dlib's network as a file, and what this project measured of it; read without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from facecluster.errors import ModelError
from facecluster.facenet.calibration import Calibration

__all__ = [
    "ARCHITECTURE",
    "DIMENSION",
    "MARGIN",
    "MEASURED",
    "SHA256",
    "SIZE",
    "Measured",
    "checked",
]

ARCHITECTURE = "dlib_resnet"
DIMENSION = 128
# dlib_face_recognition_resnet_model_v1.dat, as face_recognition_models 0.3.0 on PyPI carries it.
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
# Of the crop that the network takes: pixels, and pixels of the 112 x 112 template on each side.
SIZE, MARGIN = 194, 9.0
# What was measured of the network, whose file says nothing of distances.
MEASURED = Path(__file__).parent.parent / "weights" / "dlib.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the file does not say: thresholds and calibration, measured as a bundled network's are,
    and the mean descriptor (128 numbers) that embeddings are taken from."""

    centre: tuple[float, ...]
    thresholds: dict[str, float]
    calibration: Calibration | None

    @classmethod
    def read(cls) -> Measured:
        """Of MEASURED."""
        values = json.loads(MEASURED.read_text(encoding="utf-8"))
        calibration = values["calibration"]
        return cls(
            tuple(values["centre"]),
            values["thresholds"],
            None if calibration is None else Calibration.from_json(calibration),
        )

    def fingerprint(self) -> str:
        """Of the embeddings: by dlib's file and the centre."""
        return hashlib.sha256(f"{SHA256} {self.centre}".encode()).hexdigest()


def checked(path: Path) -> bytes:
    """All of dlib's file; ModelError for any other file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ModelError(
            f"{path} is not dlib_face_recognition_resnet_model_v1.dat, or is damaged: "
            "'facecluster models download dlib' fetches it."
        )
    return data
