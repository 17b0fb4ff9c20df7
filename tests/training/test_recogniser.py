from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.embedding import load_embedder
from hyperface_lib.training import Recipe, consecutive_labels, train_recogniser


def test_labels_are_renumbered_in_order_and_unknown_ones_kept_apart() -> None:
    assert consecutive_labels([7, -3, 100, 7, 20]).tolist() == [0, -1, 2, 0, 1]
    with pytest.raises(ValueError, match="one row of integers"):
        consecutive_labels([0.5, 1.0])


def test_a_trained_recogniser_is_an_embedder_and_a_file(
    small_world: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = small_world
    recipe = Recipe(architecture="tiny", dimension=12, max_steps=3, batch_size=16)
    trained = train_recogniser(images, labels * 10 + 5, recipe, device="cpu")
    assert trained.configuration["classes"] == 12 and len(trained.history.loss) == 3
    path = trained.save(tmp_path / "r.safetensors", variant="renders")
    loaded = load_embedder(f"net:{path}", device="cpu")
    assert loaded.metadata["variant"] == "renders" and loaded.metadata["recipe"]["dimension"] == 12
    assert (loaded.embed(images) * trained.embedder(device="cpu").embed(images)).sum(1).min() > 0.999
