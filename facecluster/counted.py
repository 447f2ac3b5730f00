"""Numbers of things in words: 1 face, 2 faces."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """The number with its word; many is the plural where it is not one with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
