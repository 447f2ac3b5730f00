"""What holds of every network that others trained, whatever its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecluster import download
from facecluster.embed import find_model, list_models, open_model
from facecluster.errors import ModelError


def check_opened_by_name_and_path(
    file: Path, name: str, title: str, monkeypatch: pytest.MonkeyPatch, *, mirrored: float
) -> None:
    """By its name once the file is in the cache, with thresholds, calibration and a card of this
    title; mirrored: what the embedding of a crop's mirror image may differ by."""
    monkeypatch.setattr(download, "cache_folder", lambda: file.parent / "nowhere")
    assert find_model(name).state == "not downloaded"
    with pytest.raises(ModelError, match=f"models download {name}"):
        open_model(name)
    monkeypatch.setattr(download, "cache_folder", lambda: file.parent)
    assert {model.name: model.state for model in list_models()}[name] == "downloaded"
    embedder = open_model(name, device="cpu")
    assert embedder.fingerprint == open_model(str(file), device="cpu").fingerprint
    assert set(embedder.thresholds) == {"verify", "identify", "group"}
    assert embedder.calibration is not None
    card = find_model(name).card
    assert card is not None and card.read_text(encoding="utf-8").startswith(f"# {title}")
    side = embedder.crop_size
    crops = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    rows = embedder.embed(crops)
    assert rows.shape == (3, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(embedder.embed(crops[:, :, ::-1].copy()), rows, atol=mirrored)
