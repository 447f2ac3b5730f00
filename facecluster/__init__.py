"""Find, group and name the people in a photo library, on your own machine.

The public names are loaded when they are first used: importing this package imports no torch.
`facecluster.scan.scan` fills a library and `facecluster.people` keeps what the user says.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facecluster.analyzer import Analyzer
    from facecluster.detect import Detector
    from facecluster.embed import Embedder, open_model
    from facecluster.errors import FaceclusterError
    from facecluster.library import Library
    from facecluster.records import Analysis, Box, Face, Group, Person, Photo

__all__ = [
    "Analysis",
    "Analyzer",
    "Box",
    "Detector",
    "Embedder",
    "Face",
    "FaceclusterError",
    "Group",
    "Library",
    "Person",
    "Photo",
    "open_model",
]

_PLACES = {
    "Analyzer": "analyzer",
    "Detector": "detect",
    "Embedder": "embed",
    "FaceclusterError": "errors",
    "Library": "library",
    "open_model": "embed",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'facecluster' has no attribute {name!r}")
    module = import_module(f"facecluster.{_PLACES.get(name, 'records')}")
    value: object = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return __all__
