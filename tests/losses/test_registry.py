from __future__ import annotations

import pytest
import torch

from hyperface_lib.losses import ArcFaceHead, create_head, head_names, register_head

NAMES = [
    *("softmax", "norm-softmax", "sphereface", "cosface", "arcface", "combined", "subcenter-arcface"),
    *("hm-softmax", "focal", "mining-margin", "sv-softmax", "sv-am", "sv-arc"),
    *("curricular", "adaface", "magface", "sphereface2", "circle", "circle-pairs"),
    *("center", "intra", "inter", "triplet", "angular-triplet", "tuplet", "contrastive"),
]


def test_every_loss_of_the_kit_has_its_name() -> None:
    assert set(NAMES) <= set(head_names())


def test_unknown_names_options_and_values_are_refused_with_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"unknown head 'arcfase'.*arcface.*cosface"):
        create_head("arcfase", dimension=4, classes=2)
    with pytest.raises(ValueError, match=r"no option margin; its options: .*margin_radians"):
        create_head("arcface", dimension=4, classes=2, margin=0.5)
    with pytest.raises(ValueError, match="classes >= 1"):
        create_head("arcface", dimension=4, classes=0)


@pytest.mark.parametrize("name", NAMES)
def test_margins_carry_their_unit_in_their_name(name: str) -> None:
    with pytest.raises(ValueError, match="no option margin; its options") as refusal:
        create_head(name, dimension=4, classes=3, margin=0.5)
    options = str(refusal.value).split("its options: ")[1].split(", ")
    units = ("margin_radians", "margin_cosine", "margin_factor", "margin_distance")
    assert all(any(unit in option for unit in units) for option in options if "margin" in option)


def test_a_registered_head_is_created_by_its_name_and_names_are_not_taken_twice() -> None:
    name = "registered-for-a-test"
    register_head(name, lambda dimension, classes, scale=1.0: ArcFaceHead(dimension, classes, scale))
    assert name in head_names()
    assert create_head(name, dimension=3, classes=2, scale=2.0).scale == 2.0
    with pytest.raises(ValueError, match="registered already"):
        register_head("arcface", lambda: torch.nn.Identity())
