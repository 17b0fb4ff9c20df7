from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hyperface_lib.embedding import (
    Embedder,
    NetworkEmbedder,
    create_backbone,
    load_embedder,
    load_recogniser,
    save_recogniser,
    unit_vectors,
)


@pytest.fixture(scope="module")
def backbone() -> torch.nn.Module:
    torch.manual_seed(11)
    network = create_backbone("tiny", dimension=16)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(16, 3, 64, 64) * 2 - 1)
    return network.eval()


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_vectors_are_unit_and_raw_features_are_the_networks(backbone: torch.nn.Module) -> None:
    embedder = NetworkEmbedder(backbone, "n", flip=False, device="cpu")
    assert isinstance(embedder, Embedder)
    images = pictures(5)
    vectors, raw = embedder.embed(images), embedder.embed_raw(images)
    assert vectors.shape == (5, 16) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    with torch.inference_mode():
        expected = backbone(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1).numpy()
    assert np.allclose(raw, expected, atol=1e-4)
    assert np.allclose(vectors, unit_vectors(raw))


def test_flip_adds_the_features_of_the_mirror_image(backbone: torch.nn.Module) -> None:
    plain, both = (NetworkEmbedder(backbone, "n", flip=flip, device="cpu") for flip in (False, True))
    images = pictures(3)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    assert np.allclose(both.embed_raw(images), plain.embed_raw(images) + plain.embed_raw(mirrored), atol=1e-5)
    assert np.allclose(both.embed(images), both.embed(mirrored), atol=1e-6)


def test_a_vector_does_not_depend_on_its_company(backbone: torch.nn.Module) -> None:
    embedder = NetworkEmbedder(backbone, "n", batch_size=8, device="cpu")
    images = pictures(19)
    together = embedder.embed(images)
    alone = np.concatenate([embedder.embed(images[i : i + 1]) for i in range(19)])
    assert np.array_equal(together, alone)
    assert np.array_equal(together[::-1], embedder.embed(images[::-1]))


def test_images_may_come_as_a_sequence_or_be_none(backbone: torch.nn.Module) -> None:
    embedder = NetworkEmbedder(backbone, "n", device="cpu")
    assert np.array_equal(embedder.embed(list(pictures(2))), embedder.embed(pictures(2)))
    assert embedder.embed([]).shape == (0, 16)


def test_wrong_images_are_named(backbone: torch.nn.Module) -> None:
    embedder = NetworkEmbedder(backbone, "n", device="cpu")
    with pytest.raises(ValueError, match=r"images must be \(n, 64, 64, 3\), found \(1, 112, 112, 3\)"):
        embedder.embed(np.zeros((1, 112, 112, 3), np.uint8))
    with pytest.raises(TypeError, match="images must be uint8 RGB, found dtype float64"):
        embedder.embed(np.zeros((1, 64, 64, 3)))
    with pytest.raises(ValueError, match="found shapes"):
        embedder.embed([np.zeros((64, 64, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)])


def test_a_recogniser_file_gives_the_same_vectors_back(backbone: torch.nn.Module, tmp_path: Path) -> None:
    centers = torch.randn(7, 16) * 5
    path = save_recogniser(tmp_path / "deep" / "r.safetensors", backbone, centers, {"renderer_version": 3})
    assert path.stat().st_size < 1.2 * 2 * sum(p.numel() for p in backbone.parameters()) + 20_000
    recogniser = load_recogniser(path)
    assert recogniser.metadata["architecture"] == "tiny" and recogniser.metadata["renderer_version"] == 3
    assert torch.allclose(recogniser.class_centers, torch.nn.functional.normalize(centers, dim=1), atol=1e-3)
    embedder = load_embedder(f"net:{path}", device="cpu")
    before = NetworkEmbedder(backbone, "n", device="cpu").embed(pictures(6))
    assert (before * embedder.embed(pictures(6))).sum(axis=1).min() > 0.999
    assert [item.name for item in path.parent.iterdir()] == ["r.safetensors"]


def test_the_fingerprint_belongs_to_the_weights(backbone: torch.nn.Module, tmp_path: Path) -> None:
    path = save_recogniser(tmp_path / "r.safetensors", backbone)
    first, again = (load_embedder(f"net:{path}", device="cpu", flip=flip).fingerprint for flip in (True, False))
    assert first == again and len(first) == 16 and int(first, 16) >= 0
    with torch.no_grad():
        changed = load_recogniser(path).backbone
        changed.features.bias[3] += 0.5
    assert NetworkEmbedder(changed, "n", device="cpu").fingerprint != first


def test_recogniser_files_of_other_kinds_are_refused(backbone: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no recogniser file at"):
        load_recogniser(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"broken\.safetensors is not a readable safetensors file"):
        load_recogniser(tmp_path / "broken.safetensors")
    save_file({"a": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign\.safetensors is not a recogniser of this kit"):
        load_recogniser(tmp_path / "foreign.safetensors")
    path = save_recogniser(tmp_path / "r.safetensors", backbone)
    tensors = load_file(path)
    tensors.pop("project.weight")
    header = {"hyperface_recogniser": '{"architecture": "tiny", "dimension": 16, "image_size": 64}'}
    save_file(tensors, tmp_path / "cut.safetensors", metadata=header)
    with pytest.raises(ValueError, match=r"does not fit architecture 'tiny': missing \['project\.weight'\]"):
        load_recogniser(tmp_path / "cut.safetensors")


def test_a_failed_write_leaves_the_old_file(
    backbone: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_recogniser(tmp_path / "r.safetensors", backbone)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("hyperface_lib.embedding.networks.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_recogniser(path, backbone)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
