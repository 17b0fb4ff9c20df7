from __future__ import annotations

import pytest
import torch

from hyperface_lib.embedding import create_backbone

NAMES = ("small", "small-judge", "tiny")


@pytest.mark.parametrize("name", NAMES)
def test_small_networks_map_64_pixels_to_their_dimension(name: str) -> None:
    network = create_backbone(name, dimension=24).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 24)
    assert (network.image_size, network.dimension, network.architecture) == (64, 24, name)


def test_reference_and_judge_networks_are_of_a_million_parameters_and_differ() -> None:
    reference, judge = create_backbone("small"), create_backbone("small-judge")
    for network in (reference, judge):
        assert 0.7e6 < sum(p.numel() for p in network.parameters()) < 1.1e6
    shapes = [{name: tuple(value.shape) for name, value in net.state_dict().items()} for net in (reference, judge)]
    assert shapes[0] != shapes[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_convolution_is_followed_by_statistics_for_inversion(name: str) -> None:
    modules = list(create_backbone(name).modules())
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in modules)
    norms = sum(isinstance(module, torch.nn.BatchNorm2d) for module in modules)
    assert norms == convolutions > 0
    assert isinstance(modules[-1], torch.nn.BatchNorm1d)
