"""Which network a command uses, and the distances at which it tells people apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facecluster.errors import LibraryError, UsageError

if TYPE_CHECKING:
    from facecluster.library import Library, Model
    from facecluster.scan import Analyzer

__all__ = ["library_model", "library_model_name", "open_analyzer", "threshold_for"]


def library_model_name(library: Library) -> str | None:
    """The name of the library's newest network, None before the first scan."""
    models = library.models()
    return models[0].name if models else None


def library_model(library: Library, name: str | None = None) -> Model:
    """The library's newest network, or the one of this name.

    Raises LibraryError before the first scan, UsageError for a network it was never scanned with.
    """
    models = library.models()
    if not models:
        raise LibraryError("The library has no faces yet: run 'facecluster scan PATH' first.")
    for model in models:
        if name in (None, model.name):
            return model
    names = ", ".join(model.name for model in models)
    raise UsageError(f"The library was never scanned with {name}, only with {names}.")


def open_analyzer(model: str | None) -> Analyzer:
    """Detector and network, ready to analyse photos; None is the bundled network."""
    from facecluster.detect import Detector
    from facecluster.embed import BUNDLED, open_model
    from facecluster.scan import Analyzer

    return Analyzer(Detector(), open_model(model or BUNDLED))


def threshold_for(model: str | None, use: str) -> float:
    """The squared distance measured for `use` (verify, identify or group) of a network."""
    from facecluster.embed import BUNDLED, open_model

    return open_model(model or BUNDLED).thresholds[use]
