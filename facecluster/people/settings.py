"""How the faces of a library are grouped, as it is kept beside the groups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from facecluster.grouping import Settings
from facecluster.library import Grouping

__all__ = ["HowGrouped", "how_grouped"]

Rule = Mapping[str, float | bool | None]


@dataclass(frozen=True, slots=True)
class HowGrouped:
    """How to group, and the rule by which the threshold is the network's default.

    rule is None for a threshold of the user's own, or none; empty where the network's own was
    taken as it is.
    """

    settings: Settings
    rule: Rule | None = None

    def kept(self) -> dict[str, object]:
        """The JSON object that is kept beside the groups; the method is a column of its own."""
        return {
            "threshold": self.settings.threshold,
            "k": self.settings.k,
            "by_centroid": self.settings.by_centroid,
            "rule": self.rule,
        }


def how_grouped(grouping: Grouping) -> HowGrouped:
    """How a grouping was made; defaults where an older version kept less."""
    kept = json.loads(grouping.settings)
    rule = kept.get("rule", {} if kept.get("default_threshold") else None)
    settings = Settings(
        grouping.method,
        kept.get("threshold"),
        kept.get("k"),
        by_centroid=kept.get("by_centroid", True),
    )
    return HowGrouped(settings, rule)
