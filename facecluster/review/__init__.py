"""The local page for the whole labelling job: served on this machine only, to whoever has its
address."""

from __future__ import annotations

from facecluster.review.server import Review

__all__ = ["Review"]
