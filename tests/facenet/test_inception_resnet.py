"""facenet-pytorch's network is built without a download and takes only its own weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from facecluster.errors import ModelError
from facecluster.facenet.fold import folded
from facecluster.facenet.inception_resnet import load_inception_resnet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from facenet_pytorch import InceptionResnetV1


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = InceptionResnetV1(pretrained=None, classify=True, num_classes=8631)
    return dict(network.state_dict())


def written(tensors: object, folder: Path) -> Path:
    path = folder / "weights.pt"
    torch.save(tensors, path)
    return path


def test_the_published_format_loads_and_computes_what_facenet_pytorch_does(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    network, fingerprint = load_inception_resnet(written(tensors, tmp_path))
    theirs = InceptionResnetV1(pretrained=None, classify=True, num_classes=8631)
    theirs.load_state_dict(tensors)
    theirs.classify = False
    pictures = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        expected = theirs.eval()(pictures)
        assert torch.equal(network(pictures), expected)
        torch.testing.assert_close(folded(network)(pictures), expected, atol=2e-6, rtol=0)
    without = {name: t for name, t in tensors.items() if not name.startswith("logits.")}
    assert load_inception_resnet(written(without, tmp_path))[1] == fingerprint
    changed = {**without, "last_linear.weight": without["last_linear.weight"] + 1}
    assert load_inception_resnet(written(changed, tmp_path))[1] != fingerprint


def test_a_classifier_that_is_none_of_the_published_is_refused(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    half = {name: t for name, t in tensors.items() if name != "logits.bias"}
    other = {**tensors, "logits.weight": torch.zeros(10, 512), "logits.bias": torch.zeros(10)}
    for wrong in (half, other):
        with pytest.raises(ModelError, match="classifier"):
            load_inception_resnet(written(wrong, tmp_path))


def test_missing_unknown_and_misshapen_tensors_are_named(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    missing = {name: t for name, t in tensors.items() if name != "last_bn.bias"}
    with pytest.raises(ModelError, match=r"1 tensors are missing.*last_bn\.bias"):
        load_inception_resnet(written(missing, tmp_path))
    with pytest.raises(ModelError, match=r"1 unknown.*strange"):
        load_inception_resnet(written({**tensors, "strange": torch.zeros(1)}, tmp_path))
    with pytest.raises(ModelError, match=r"does not fit.*last_bn\.bias"):
        load_inception_resnet(written({**tensors, "last_bn.bias": torch.zeros(3)}, tmp_path))


def test_other_files_are_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="are not there"):
        load_inception_resnet(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="not a state dict"):
        load_inception_resnet(written([1, 2], tmp_path))
    path = tmp_path / "broken.pt"
    for content in (b"", b"hello", bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="damaged"):
            load_inception_resnet(path)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1/0",)


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="damaged, or not weights"):
        load_inception_resnet(written({"a": Hostile()}, tmp_path))
