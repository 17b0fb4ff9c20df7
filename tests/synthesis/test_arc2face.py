"""Arc2Face with tiny random parts: the injection, the guidance, the loader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="pip install transformers")

from hyperface_lib.synthesis import load_generator
from hyperface_lib.synthesis.arc2face import Arc2FaceGenerator, identity_prompts

WIDTH, DIMENSION = 24, 16


def unit_rows(count: int) -> np.ndarray:
    rows = np.random.default_rng(1).standard_normal((count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_arc2face: Callable[[Path, int], None]) -> Path:
    """Write the five parts, random and small, and the note that names the embedder."""
    root = tmp_path_factory.mktemp("arc2face")
    write_arc2face(root, WIDTH)
    note = {"embedder_name": "arcface", "embedder_fingerprint": "abcd", "dimension": DIMENSION}
    (root / "embedder.json").write_text(json.dumps(note))
    return root


@pytest.fixture(scope="module")
def photographer(folder: Path) -> Arc2FaceGenerator:
    loaded = load_generator(f"arc2face:{folder}", device="cpu")
    assert isinstance(loaded, Arc2FaceGenerator)
    return loaded


def test_photographs_follow_seed_and_identity(photographer: Arc2FaceGenerator) -> None:
    vectors = unit_rows(2)
    images = photographer.sample(vectors, [1, 2], steps=2)
    assert images.shape == (2, 16, 16, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, photographer.sample(vectors, [1, 2], steps=2))
    assert not np.array_equal(images[0], photographer.sample(vectors[:1], [2], steps=2)[0])
    assert not np.array_equal(images[0], photographer.sample(vectors[1:], [1], steps=2)[0])


def test_the_vector_replaces_the_embedding_of_id_alone(photographer: Arc2FaceGenerator) -> None:
    seen: list[torch.Tensor] = []
    table = photographer.text_encoder.get_input_embeddings()
    tokens = photographer.tokenizer("photo of a id person", padding="max_length", return_tensors="pt").input_ids
    plain = table(tokens)[0]
    vectors = torch.from_numpy(unit_rows(2))

    # What arrives after the table and positions, minus the positions, is the table's row or the padded vector.
    embeddings = next(m for name, m in photographer.text_encoder.named_modules() if name.endswith("embeddings"))
    positions = embeddings.position_embedding.weight
    handle = embeddings.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    identity_prompts(photographer.tokenizer, photographer.text_encoder, vectors)
    handle.remove()
    changed = seen[-1] - positions
    where = int((tokens[0] == photographer.tokenizer.encode("id", add_special_tokens=False)[0]).nonzero())
    padded = torch.nn.functional.pad(vectors, (0, WIDTH - DIMENSION))
    assert torch.allclose(changed[:, where], padded, atol=1e-5)
    others = [position for position in range(16) if position != where]
    assert torch.allclose(changed[:, others], plain[others].expand(2, -1, -1), atol=1e-5)


def test_no_hook_stays_behind(photographer: Arc2FaceGenerator) -> None:
    before = photographer._empty_prompt()
    photographer.sample(unit_rows(1), 0, steps=1)
    assert torch.equal(before, photographer._empty_prompt())
    assert not photographer.text_encoder.get_input_embeddings()._forward_hooks


def test_guidance_one_needs_no_unconditional_branch(
    photographer: Arc2FaceGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographer, "_empty_prompt", lambda: pytest.fail("the empty prompt was encoded"))
    photographer.sample(unit_rows(1), 0, steps=1, guidance=1.0)


def test_images_can_be_had_smaller(folder: Path) -> None:
    small = load_generator(f"arc2face:{folder}", device="cpu", image_size=12)
    assert small.sample(unit_rows(1), 0, steps=1).shape == (1, 12, 12, 3)


def test_vectors_of_another_embedder_are_refused(photographer: Arc2FaceGenerator, references) -> None:
    with pytest.raises(ValueError, match=r"'toy'.*'arcface'"):
        photographer.sample(references, 0, steps=1)


def test_missing_parts_and_unnamed_embedders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="arc2face"):
        load_generator(f"arc2face:{tmp_path}")
    for part in ("arc2face", "encoder", "vae", "tokenizer", "scheduler"):
        (tmp_path / part).symlink_to(folder / part)
    with pytest.warns(UserWarning, match="holds no arcface.onnx"):
        load_generator(f"arc2face:{tmp_path}", device="cpu")


def test_the_embedder_file_beside_the_weights_says_whose_vectors_they_take(folder: Path, tmp_path: Path) -> None:
    for part in ("arc2face", "encoder", "vae", "tokenizer", "scheduler"):
        (tmp_path / part).symlink_to(folder / part)
    (tmp_path / "arcface.onnx").write_bytes(b"a network")
    loaded = load_generator(f"arc2face:{tmp_path}", device="cpu")
    assert loaded.embedder_fingerprint == hashlib.sha256(b"a network").hexdigest()[:16]


def test_a_nuisance_is_refused(photographer: Arc2FaceGenerator) -> None:
    with pytest.raises(ValueError, match="identity vectors alone"):
        photographer.sample(unit_rows(1), 0, nuisance=np.zeros((1, 5)))
