"""Faces as rows of the library: written, and read again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.library.connection import Connection, Value
from facecluster.records import Box, Face, Quality

__all__ = ["faces_of", "put_face"]

_LANDMARKS = np.dtype("<f4")


def faces_of(connection: Connection, photo: int) -> dict[int, Face]:
    """The photo's faces by their numbers, rising."""
    rows = connection.rows(
        "select id, x0, y0, x1, y1, landmarks, score, size, sharpness, yaw"
        " from face where photo = ? order by id",
        (photo,),
    )
    faces = {}
    for number, x0, y0, x1, y1, landmarks, score, size, sharpness, yaw in rows:
        a, b, c, d, e = ((float(x), float(y)) for x, y in _points(landmarks))
        quality = Quality(size, sharpness, yaw)
        faces[number] = Face(Box(x0, y0, x1, y1), (a, b, c, d, e), score, quality)
    return faces


def put_face(connection: Connection, photo: int, face: Face, number: int | None) -> int:
    """Write a face of the photo, over the one of this number, or as a new one; its number."""
    landmarks = np.asarray(face.landmarks, dtype=_LANDMARKS).tobytes()
    box, quality = face.box, face.quality
    values: tuple[Value, ...] = (
        *(float(edge) for edge in (box.x0, box.y0, box.x1, box.y1)),
        landmarks,
        *(float(x) for x in (face.score, quality.size, quality.sharpness, quality.yaw)),
    )
    columns = "(x0, y0, x1, y1, landmarks, score, size, sharpness, yaw)"
    if number is not None:
        connection.run(
            f"update face set {columns} = (?, ?, ?, ?, ?, ?, ?, ?, ?) where id = ?",
            (*values, number),
        )
        return number
    return connection.run(
        f"insert into face (photo, {columns[1:]} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (photo, *values),
    )


def _points(landmarks: bytes) -> NDArray[np.float64]:
    return np.frombuffer(landmarks, dtype=_LANDMARKS).reshape(5, 2).astype(np.float64)
