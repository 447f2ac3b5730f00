"""Which network a command uses, and the distances at which it tells people apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facecluster.cli.output import Progress
from facecluster.errors import LibraryError, ModelError

if TYPE_CHECKING:
    from facecluster.analyzer import Analyzer
    from facecluster.cli.detection import DetectionSettings
    from facecluster.embed import GroupThreshold
    from facecluster.embed import Model as NetworkModel
    from facecluster.facenet.calibration import Calibration
    from facecluster.library import Library, Model
    from facecluster.reembedding import Reembedding

__all__ = [
    "calibration_of",
    "default_network",
    "group_threshold_for",
    "keep",
    "library_model",
    "open_analyzer",
    "threshold_for",
    "use_network",
]


def default_network(library: Library) -> str | None:
    """The name of the network the library was last given, None before the first scan."""
    models = library.models()
    return models[0].name if models else None


def library_model(library: Library, network: str | None) -> Model:
    """What the library calls this network, by default the one it was last given.

    Raises LibraryError when the library has no embeddings of it.
    """
    models = library.models()
    if not models:
        raise LibraryError("The library has no faces yet: run 'facecluster scan PATH' first.")
    if network is None:
        return models[0]
    from facecluster.embed import find_model

    name = find_model(network).name
    for model in models:
        if model.name == name:
            return model
    raise LibraryError(
        f"The library was never seen by {name}: 'facecluster models use {network}' lets it see all."
    )


def keep(network: str) -> NetworkModel:
    """The network that a library is to use: a file of one's own is copied to where it is found by
    its name from now on.

    ModelError, and no copy, for a file that cannot be used, and when another network has that name.
    """
    from facecluster.embed import find_model
    from facecluster.installed import install, kept

    found = find_model(network)
    if found.state != "file" or not found.path or found.path.suffix != ".safetensors":
        return found
    if kept(found.path) is None:  # what is there was tried when it came
        _try(network)
    return find_model(install(found.path).stem)


def _try(network: str) -> None:
    """ModelError for a network that could not be used."""
    import numpy as np

    from facecluster.embed import open_model

    embedder = open_model(network)
    embedder.embed(np.full((1, embedder.crop_size, embedder.crop_size, 3), 127, np.uint8))


def open_analyzer(network: str | None, settings: DetectionSettings | None = None) -> Analyzer:
    """Detector and network, ready to analyse photos; None is the bundled network.

    Both are opened for the first photo, so that a scan of what is known does not wait for torch.
    With settings the analyzer insists: photos that were analysed with others are analysed again.
    """
    from facecluster.analyzer import Analyzer
    from facecluster.detect import Detector
    from facecluster.embed import BUNDLED, find_model, open_model

    chosen = network or BUNDLED
    # A file of the user's may be anything: it is told before the library hears of it.
    embedder = open_model(chosen, at_once=find_model(chosen).state == "file")
    if settings is None:
        return Analyzer(Detector(), embedder)
    detector = Detector(min_face=settings.min_face, min_share=settings.min_share)
    return Analyzer(detector, embedder, longest=settings.longest, insists=True)


def threshold_for(network: str, use: str) -> float:
    """The squared distance for `use` (verify, identify or group) of a network."""
    from facecluster.embed import find_model

    return find_model(network).thresholds[use]


def group_threshold_for(network: str, faces: int) -> GroupThreshold:
    """The squared distance at which to group so many faces with a network, and why."""
    from facecluster.embed import find_model, group_threshold

    return group_threshold(find_model(network), faces)


def calibration_of(network: str) -> Calibration | None:
    """What the distances of a network mean; None when that was not measured or it is gone."""
    from facecluster.embed import find_model

    try:
        return find_model(network).calibration
    except ModelError:
        return None


def use_network(library: Library, network: str) -> Reembedding:
    """Embed all faces that this network has not seen, then make it the library's."""
    from facecluster.reembedding import embed_unseen

    analyzer = open_analyzer(network)
    with Progress("photos") as bar:
        done = embed_unseen(library, analyzer, progress=bar.show)
    library.scanned.use(done.model)
    return done
