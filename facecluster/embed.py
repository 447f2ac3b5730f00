"""Aligned crops to unit vectors, with a bundled network, a downloaded one or one's own.

torch is imported when a network is opened: listing and looking up models takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from facecluster import download
from facecluster.errors import ModelError
from facecluster.facenet.calibration import Calibration
from facecluster.facenet.foreign import DLIB, FOREIGN, WEIGHTS, Foreign
from facecluster.facenet.header import Header, read_header
from facecluster.installed import installed, installed_file
from facecluster.once import once

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facecluster.facenet.inference import Inference
    from facecluster.facenet.precision import Precision

__all__ = [
    "BUNDLED",
    "Embedder",
    "GroupThreshold",
    "Model",
    "find_model",
    "group_threshold",
    "list_models",
    "open_model",
    "use_one_core",
]

# The network used unless another is asked for.
BUNDLED = "nn4"
_TEMPLATE_SIZE = 112
# Pictures at once, mirror images among them: see tests/benchmarks/bench_embed.py. A GPU wants more:
# not measured.
_BATCH = {"cpu": 64, "cuda": 512}
# InceptionResnetV1's published weights come without thresholds; these are not measured by this
# project: a middle value of the literature, to be checked on one's own photos.
_UNMEASURED = {"verify": 1.1, "identify": 1.0, "group": 1.1}
# Of how many strangers a face may expect to find one within the threshold of grouping: as many as
# among the 1,549 development pictures on which the networks' own threshold was measured.
_FALSE_LINKS = 0.06

State = Literal["bundled", "installed", "downloaded", "not downloaded", "file"]


@dataclass(frozen=True, slots=True)
class Model:
    """A network that could be opened.

    path is None when it is not downloaded. thresholds are squared distances by use (verify,
    identify, group); for InceptionResnetV1 they are not measured by this project. calibration is
    None where nobody has measured what the distances mean.
    """

    name: str
    state: State
    path: Path | None
    architecture: str
    dimension: int
    thresholds: dict[str, float]
    calibration: Calibration | None = None

    @property
    def card(self) -> Path | None:
        """The file that tells how the network was made and where it fails, if it is there."""
        foreign = _foreign(self)
        file = foreign.measured_file if foreign else self.path
        card = file.with_suffix(".md") if file else None
        return card if card and card.is_file() else None


@dataclass(frozen=True, slots=True)
class GroupThreshold:
    """The squared distance to group so many faces with, and the rule it comes from.

    For up to `faces` faces, `false_links` strangers a face are expected within it, by the
    network's false-accept rate `rate`; extrapolated says that the pairs behind it were too few to
    show that rate. All but the threshold are None when it is the network's own, measured: for few
    faces, and where the network has no calibration.
    """

    threshold: float
    faces: int | None = None
    false_links: float | None = None
    rate: float | None = None
    extrapolated: bool | None = None


class Embedder:
    """Makes embeddings; built by `open_model`.

    crop_size and margin are what align.crop needs to make its input: pixels of the square crop,
    and how many of the template's 112 more are seen on each side. Embedders with one fingerprint
    make the same embeddings, up to the precision that the machine is fastest at: between 1,016 real
    faces bfloat16 moves nn4's squared distances by 0.002 (root mean square; 0.011 at most), whole
    numbers of eight bits by 0.010 (0.074) and those of nns2 by 0.014 (0.078); the cards tell what
    that does to accuracy. thresholds and calibration are the Model's.
    """

    def __init__(
        self,
        model: Model,
        fingerprint: str,
        load: Callable[[], nn.Module],
        *,
        device: str | None,
        mirror: bool,
        precision: Precision | None,
    ) -> None:
        self.name = model.name
        self.fingerprint = fingerprint + ("+mirror" if mirror else "")
        self.dimension = model.dimension
        self.thresholds = dict(model.thresholds)
        self.calibration = model.calibration
        self.crop_size, self.margin, self._picture, mean, std = _input(model)
        self._mirror = mirror
        self._opened = once(lambda: _ready(load(), mean, std, device, precision))

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (N, D) with unit rows of upright RGB crops (N, S, S, 3), S = crop_size.

        N may be 0. Row i depends on crop i alone: whatever the others are, squared distances stay
        within 1e-5 (in bfloat16 within 1e-3). Raises ValueError for another shape or type,
        ModelError where the weights are read only now and are damaged, or give no numbers.
        """
        side = self.crop_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
            raise ValueError(
                f"crops must be uint8 of shape (N, {side}, {side}, 3), "
                f"got {crops.dtype} of {crops.shape}"
            )
        import torch

        network = self._opened()
        kind = torch.device(network.device).type
        # A crop and its mirror image are two of a batch: a few faces are few calls.
        step = max(1, _BATCH.get(kind, _BATCH["cpu"]) // (1 + self._mirror))
        rows = np.empty((len(crops), self.dimension), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(crops), step):
                pictures = self._resized(crops[start : start + step], network)
                rows[start : start + step] = self._embedded(network, pictures).cpu().numpy()
        if not np.isfinite(rows).all():  # as of weights that a training drove to infinity
            raise ModelError(f"The network {self.name} gives no numbers: choose another.")
        return rows

    def _resized(self, crops: NDArray[np.uint8], network: Inference) -> Tensor:
        import torch
        from torch.nn import functional

        bytes_ = torch.from_numpy(np.ascontiguousarray(crops)).to(network.device)
        # The layout of the bytes is already channels last: only a view, nothing is moved.
        pictures = bytes_.permute(0, 3, 1, 2)
        if pictures.shape[2:] == self._picture:
            return pictures
        # Whole numbers are made of it anyway: bytes are resized in a tenth of the time.
        given = pictures if network.precision == "int8" else pictures.float()
        # Where nothing shrinks both give the same, in a third of the time without.
        height, width = self._picture
        shrinks = self.crop_size > min(height, width)
        return functional.interpolate(
            given, self._picture, mode="bilinear", align_corners=False, antialias=shrinks
        )

    def _embedded(self, network: Inference, pictures: Tensor) -> Tensor:
        import torch
        from torch.nn import functional

        if self._mirror:
            pictures = torch.cat([pictures, pictures.flip(3)])
        rows = network(pictures)
        if self._mirror:
            rows = torch.add(*rows.chunk(2))
        # Once more in float32: a network that ends in bfloat16 would miss the sphere by 1 %.
        return functional.normalize(rows, dim=1)


def _ready(
    network: nn.Module, mean: float, std: float, device: str | None, precision: Precision | None
) -> Inference:
    from facecluster.facenet.inference import Inference

    return Inference(network, mean=mean, std=std, device=device, precision=precision)


def list_models() -> list[Model]:
    """The bundled networks, one's own, then the published ones with whether they are downloaded.

    Reads the headers only and imports no torch. A file that is damaged raises ModelError.
    """
    bundled = [_described(path, "bundled") for path in sorted(WEIGHTS.glob("*.safetensors"))]
    own = [_described(path, "installed") for path in installed()]
    return bundled + own + [_published(name) for name in download.PUBLISHED]


def find_model(name_or_path: str) -> Model:
    """The model of a name of `list_models`, or of a .safetensors, .pt, .dat or .tflite file;
    imports no torch.

    Raises ModelError when there is none. A name wins over a file of the same name.
    """
    bundled = WEIGHTS / f"{name_or_path}.safetensors"
    if name_or_path in download.PUBLISHED:
        return _published(name_or_path)
    if Path(name_or_path).name == name_or_path and bundled.is_file():
        return _described(bundled, "bundled")
    own = installed_file(name_or_path)
    if own:
        return _described(own, "installed")
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(model.name for model in list_models())
        raise ModelError(
            f"There is no model {name_or_path!r}: give a file of weights or one of {known}."
        )
    if path.suffix == ".safetensors":
        return _described(path, "file")
    if path.suffix == ".pt" or path.suffix in FOREIGN:
        return _others(path.stem, "file", path, path.suffix)
    kinds = " or ".join([".safetensors, .pt", *FOREIGN])
    raise ModelError(f"{path} is no file of weights: they end in {kinds}.")


def group_threshold(model: Model, faces: int) -> GroupThreshold:
    """The squared distance at which to group a library of so many faces.

    The more strangers, the more chances of a false link: among n faces each meets n - 1 others.
    The network's threshold holds up to the number of faces that it was measured on; beyond, the
    rule keeps n x FAR(threshold) what it is there. n is rounded up to a power of two, so that the
    threshold holds still until the library has doubled.
    """
    measured = model.thresholds["group"]
    if model.calibration is None:
        return GroupThreshold(measured)
    most = 1 << max(0, faces - 1).bit_length()
    found = model.calibration.threshold(_FALSE_LINKS / most)
    if found.threshold >= measured:
        return GroupThreshold(measured)
    return GroupThreshold(
        round(found.threshold, 3), most, _FALSE_LINKS, found.rate, found.extrapolated
    )


def open_model(
    name_or_path: str,
    *,
    device: str | None = None,
    mirror: bool = True,
    precision: Precision | None = None,
    at_once: bool = True,
) -> Embedder:
    """The Embedder of a model as `find_model` knows it, ready to use.

    device is what torch calls it; None is the GPU where there is one. With mirror each embedding is
    the mean of the crop's and its mirror image's, at twice the cost: up to one point of accuracy on
    LFW's development test, for a small part of a scan's time. precision is that of the
    convolutions; None is the one that this machine is fastest at. Without at_once the weights are
    read, and torch is imported, for the first crops only. Raises ModelError for
    weights that are not there, not downloaded, damaged or of another network; nothing is ever
    downloaded.
    """
    model = find_model(name_or_path)
    if model.path is None:
        raise ModelError(
            f"The weights {model.name} are not downloaded: run "
            f"'facecluster models download {model.name}' first."
        )
    if model.architecture == DLIB.architecture:
        # Its descriptors lie close together: bfloat16 moves their distances by 0.0065.
        precision = precision or "float32"
    fingerprint, load = _weights(model.path)
    embedder = Embedder(model, fingerprint, load, device=device, mirror=mirror, precision=precision)
    if at_once:
        embedder._opened()
    return embedder


def _weights(path: Path) -> tuple[str, Callable[[], nn.Module]]:
    """The fingerprint of a file, and what loads the network."""
    if path.suffix == ".safetensors":
        return read_header(path).fingerprint, partial(_bundled, path)
    if path.suffix in FOREIGN:
        return FOREIGN[path.suffix].fingerprint(), partial(_read_foreign, path)
    from facecluster.facenet.inception_resnet import load_inception_resnet

    network, fingerprint = load_inception_resnet(path)
    return fingerprint, lambda: network


def _bundled(path: Path) -> nn.Module:
    from facecluster.facenet.checkpoint import load

    return load(path)[0]


def _read_foreign(path: Path) -> nn.Module:
    if FOREIGN[path.suffix].architecture == DLIB.architecture:
        from facecluster.facenet.dlib_resnet import load_dlib_resnet

        return load_dlib_resnet(path)
    from facecluster.facenet.mobilefacenet import load_mobilefacenet

    return load_mobilefacenet(path)


def _described(path: Path, state: State) -> Model:
    header = read_header(path)
    return Model(
        path.stem,
        state,
        path,
        header.architecture,
        header.dimension,
        header.thresholds,
        header.calibration,
    )


def _published(name: str) -> Model:
    path = download.cached(name)
    suffix = Path(download.PUBLISHED[name].kept).suffix
    return _others(name, "downloaded" if path else "not downloaded", path, suffix)


def _others(name: str, state: State, path: Path | None, suffix: str) -> Model:
    """A network that others trained, told by the kind of its file."""
    if suffix == ".pt":
        return Model(name, state, path, "inception_resnet_v1", 512, dict(_UNMEASURED))
    foreign = FOREIGN[suffix]
    measured = foreign.measured()
    return Model(
        name,
        state,
        path,
        foreign.architecture,
        foreign.dimension,
        measured.thresholds,
        measured.calibration,
    )


def _foreign(model: Model) -> Foreign | None:
    """What is known of the model's file, where it has one content only."""
    found = (one for one in FOREIGN.values() if one.architecture == model.architecture)
    return next(found, None)


def _input(model: Model) -> tuple[int, float, tuple[int, int], float, float]:
    """Crop size, margin, height and width of the network's input, mean and std of its bytes."""
    foreign = _foreign(model)
    if foreign:
        size = foreign.size
        return size, foreign.margin, (size, size), foreign.mean, foreign.std
    if model.path is None or model.path.suffix != ".safetensors":
        from facecluster.facenet.inception_resnet import MARGIN, SIZE

        return SIZE, MARGIN, (SIZE, SIZE), 127.5, 128.0
    header: Header = read_header(model.path)
    # A square input is the crop itself; another is stretched from the template, as in training.
    square = header.height == header.width
    size = header.height if square else _TEMPLATE_SIZE
    return size, 0.0, (header.height, header.width), header.mean, header.std


def use_one_core() -> None:
    """Let torch compute in the calling thread alone, as threads do that work side by side."""
    import torch

    torch.set_num_threads(1)
