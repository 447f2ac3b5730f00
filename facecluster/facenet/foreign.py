"""Networks that others trained, as files, and what this project measured of them; no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from facecluster.errors import ModelError
from facecluster.facenet.calibration import Calibration

__all__ = ["DLIB", "FOREIGN", "MOBILEFACENET", "WEIGHTS", "Foreign", "Measured", "checked"]

# The networks that come with the program, and what was measured of others.
WEIGHTS = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file does not say: thresholds and calibration, measured as a bundled network's are,
    and the mean vector (as many numbers as dimensions) that embeddings are taken from."""

    centre: tuple[float, ...]
    thresholds: dict[str, float]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A file of weights that has one content, whatever it is called.

    name is what `models download` knows it by. size and margin are of the crop it takes: pixels,
    and pixels of the 112 x 112 template on each side; mean and std standardise its bytes.
    """

    name: str
    file: str
    sha256: str
    architecture: str
    dimension: int
    size: int
    margin: float
    mean: float
    std: float

    @property
    def measured_file(self) -> Path:
        """Where `measured` is kept; the card stands beside it."""
        return WEIGHTS / f"{self.name}.json"

    def measured(self) -> Measured:
        """What was measured of it."""
        values = json.loads(self.measured_file.read_text(encoding="utf-8"))
        calibration = values["calibration"]
        return Measured(
            tuple(values["centre"]),
            values["thresholds"],
            None if calibration is None else Calibration.from_json(calibration),
        )

    def fingerprint(self) -> str:
        """Of the embeddings: by the file and the centre."""
        return hashlib.sha256(f"{self.sha256} {self.measured().centre}".encode()).hexdigest()


DLIB = Foreign(
    "dlib",
    # As face_recognition_models 0.3.0 on PyPI carries it.
    "dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "dlib_resnet",
    dimension=128,
    size=194,
    margin=9.0,
    mean=0.0,
    std=1.0,
)
MOBILEFACENET = Foreign(
    "mobilefacenet",
    # The checksum was seen here, and is the one that several independent projects pin.
    "MobileFaceNet.tflite",
    "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
    "mobilefacenet",
    dimension=192,
    size=112,
    margin=0.0,
    mean=127.5,
    std=128.0,
)
# By how their files end.
FOREIGN = {Path(one.file).suffix: one for one in (DLIB, MOBILEFACENET)}


def checked(foreign: Foreign, path: Path) -> bytes:
    """All of the network's file; ModelError for any other file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != foreign.sha256:
        raise ModelError(
            f"{path} is not {foreign.file}, or is damaged: "
            f"'facecluster models download {foreign.name}' fetches it."
        )
    return data
