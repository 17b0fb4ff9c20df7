"""Angles to class centres are those of the definition, in degrees, each on the right side."""

import numpy as np
import pytest
import torch

from hyperface_lib.embedding import create_backbone
from hyperface_lib.losses import create_head
from hyperface_lib.training.angles import ClassAngles, class_angles

CLASSES = 5


def some_images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_the_angles_are_those_of_the_definition() -> None:
    torch.manual_seed(0)
    backbone = create_backbone("small", dimension=16).eval()
    head = create_head("arcface", dimension=16, classes=CLASSES)
    images, labels = some_images(6), np.array([0, 1, 2, 3, 4, 0])
    angles = class_angles(backbone, head, images, labels, device="cpu")
    with torch.no_grad():
        features = backbone(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1).double().numpy()
    centres = head.weight.detach().double().numpy()
    cosines = (features @ centres.T) / np.linalg.norm(features, axis=1)[:, None] / np.linalg.norm(centres, axis=1)
    degrees = np.degrees(np.arccos(cosines))
    assert np.allclose(angles.target_degrees, degrees[np.arange(6), labels], atol=0.05)
    others = [np.delete(row, own) for row, own in zip(degrees, labels, strict=True)]
    assert np.allclose(angles.other_degrees, np.concatenate(others), atol=0.05)


def test_only_so_many_images_are_looked_at_and_bad_labels_refused() -> None:
    backbone = create_backbone("small", dimension=16)
    head = create_head("arcface", dimension=16, classes=CLASSES)
    images = some_images(7)
    angles = class_angles(backbone, head, images, np.arange(7) % CLASSES, limit=3, device="cpu")
    assert angles.target_degrees.shape == (3,) and angles.other_degrees.shape == (3 * (CLASSES - 1),)
    with pytest.raises(ValueError, match=r"\(7,\)"):
        class_angles(backbone, head, images, np.arange(6), device="cpu")
    with pytest.raises(ValueError, match=r"0 \.\. 4"):
        class_angles(backbone, head, images, np.arange(7), device="cpu")


def test_separated_counts_images_nearer_to_their_own_centre() -> None:
    angles = ClassAngles(np.array([10.0, 80.0]), np.array([90.0, 20.0, 70.0, 95.0]))
    assert angles.separated == 0.5
    assert ClassAngles(np.array([10.0, 80.0]), np.empty(0)).separated == 1.0
