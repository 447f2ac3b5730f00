"""facenet-pytorch's InceptionResnetV1 with weights from a local file of the published format."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from facecluster.errors import ModelError
from facecluster.facenet.tensor_file import fingerprint, read_tensors

__all__ = ["CLASSES", "DIMENSION", "MARGIN", "SIZE", "load_inception_resnet"]

SIZE = 160
DIMENSION = 512
# Pixels of the 112 x 112 template on each side: its crops were MTCNN's box, about the height of
# the template, with a margin. Chosen by that geometry; not measured here.
MARGIN = 8.0
# Identities of the classifiers that were trained on top: VGGFace2 and CASIA-WebFace.
CLASSES = (8631, 10575)
_LOGITS = ("logits.weight", "logits.bias")


def load_inception_resnet(path: Path) -> tuple[nn.Module, str]:
    """The network (evaluation mode) and the SHA-256 of the tensors it uses.

    Maps faces (B, 3, 160, 160), (bytes - 127.5) / 128, to (B, 512) float32 with unit rows. The file
    is a state dict as facenet-pytorch publishes them: every tensor of the network, and the weight
    and bias of its classifier, both or neither, which are checked and dropped. Nothing is
    downloaded, and nothing in the file is run. Raises ModelError for any other file.
    """
    tensors = _read(path)
    _drop_logits(tensors, path)
    # Imported here, for it takes two seconds.
    from facenet_pytorch import InceptionResnetV1

    network: nn.Module = InceptionResnetV1(pretrained=None, classify=False)
    try:
        problems = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ModelError(f"{path} does not fit InceptionResnetV1: {first}") from error
    if problems.missing_keys or problems.unexpected_keys:
        wrong = (*problems.missing_keys, *problems.unexpected_keys)
        raise ModelError(
            f"{path} does not fit InceptionResnetV1: {len(problems.missing_keys)} tensors are "
            f"missing and {len(problems.unexpected_keys)} unknown, the first is {wrong[0]!r}."
        )
    return network.eval(), fingerprint(tensors)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        loaded = read_tensors(path, "cpu")
    except FileNotFoundError as error:
        raise ModelError(f"The weights {path} are not there.") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged, or not weights that torch can read.") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in loaded.items()
    ):
        raise ModelError(f"{path} is not a state dict: names of tensors and their values.")
    return dict(loaded)


def _drop_logits(tensors: dict[str, Tensor], path: Path) -> None:
    present = [name for name in _LOGITS if name in tensors]
    if not present:
        return
    shapes = [tuple(tensors.pop(name).shape) for name in present]
    if shapes not in [[(classes, DIMENSION), (classes,)] for classes in CLASSES]:
        raise ModelError(
            f"{path} has a classifier of shape {shapes}; VGGFace2's has {CLASSES[0]} people, "
            f"CASIA-WebFace's {CLASSES[1]}."
        )
