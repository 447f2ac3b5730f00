"""What the user says about people, what follows for the groups, and who a face may be."""

from __future__ import annotations

from facecluster.people.ages import state_birth, unborn
from facecluster.people.bonds import constraints
from facecluster.people.correcting import Merge, Part, Split, merge, split_group, split_person
from facecluster.people.explaining import Neighbour, Reason, why
from facecluster.people.extending import extend, may_extend
from facecluster.people.forgetting import forget
from facecluster.people.moving import Move, move_to_group, move_to_person, take_out
from facecluster.people.placing import Placement, place_loose
from facecluster.people.recognising import Identity, identify
from facecluster.people.regrouping import Regrouping, regroup, regroup_steps
from facecluster.people.saying import (
    Said,
    deny_group,
    ignore,
    ignore_group,
    name_faces,
    name_group,
    redo,
    reject,
    rename,
    undo,
)
from facecluster.people.settings import HowGrouped, how_grouped
from facecluster.people.suggesting import Suggestion, suggest
from facecluster.people.typical import likeness

__all__ = [
    "HowGrouped",
    "Identity",
    "Merge",
    "Move",
    "Neighbour",
    "Part",
    "Placement",
    "Reason",
    "Regrouping",
    "Said",
    "Split",
    "Suggestion",
    "constraints",
    "deny_group",
    "extend",
    "forget",
    "how_grouped",
    "identify",
    "ignore",
    "ignore_group",
    "likeness",
    "may_extend",
    "merge",
    "move_to_group",
    "move_to_person",
    "name_faces",
    "name_group",
    "place_loose",
    "redo",
    "regroup",
    "regroup_steps",
    "reject",
    "rename",
    "split_group",
    "split_person",
    "state_birth",
    "suggest",
    "take_out",
    "unborn",
    "undo",
    "why",
]
