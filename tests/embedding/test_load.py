from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.embedding import create_backbone, load_embedder, save_recogniser


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    for spec in ("arcface", "net:", "iresnet51:x.pt", "", "bgr:judge", "bgr:net:x"):
        with pytest.raises(ValueError, match=r"unknown embedder .*reference, judge, dlib, .*pack:FOLDER"):
            load_embedder(spec)
    with pytest.raises(TypeError, match="named by text"):
        load_embedder(Path("reference"))  # type: ignore[arg-type]


def test_a_shipped_recogniser_comes_from_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        load_embedder("reference")
    save_recogniser(tmp_path / "recognisers" / "reference.safetensors", create_backbone("tiny"))
    embedder = load_embedder("reference", device="cpu")
    assert (embedder.name, embedder.dimension, embedder.image_size) == ("reference", 64, 64)


def test_an_iresnet_file_must_hold_the_network_that_was_named(tmp_path: Path) -> None:
    torch.save(create_backbone("iresnet18", dimension=8).state_dict(), tmp_path / "model.pt")
    embedder = load_embedder(f"iresnet18:{tmp_path / 'model.pt'}", device="cpu")
    assert (embedder.dimension, embedder.image_size) == (8, 112)
    reversed_ = load_embedder(f"bgr:iresnet18:{tmp_path / 'model.pt'}", device="cpu")
    images = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    assert np.allclose(reversed_.embed(images[..., ::-1].copy()), embedder.embed(images), atol=1e-5)
    with pytest.raises(ValueError, match="holds an iresnet18, expected an iresnet50"):
        load_embedder(f"iresnet50:{tmp_path / 'model.pt'}")
