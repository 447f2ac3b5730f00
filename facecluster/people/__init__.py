"""What the user says about people, what follows for the groups, and who a face may be."""

from __future__ import annotations

from facecluster.people.recognising import Identity, identify
from facecluster.people.regrouping import Regrouping, constraints, regroup
from facecluster.people.saying import (
    Said,
    ignore,
    ignore_group,
    name_faces,
    name_group,
    redo,
    reject,
    undo,
)

__all__ = [
    "Identity",
    "Regrouping",
    "Said",
    "constraints",
    "identify",
    "ignore",
    "ignore_group",
    "name_faces",
    "name_group",
    "redo",
    "regroup",
    "reject",
    "undo",
]
