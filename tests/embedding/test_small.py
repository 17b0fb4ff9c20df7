from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hyperface_lib.embedding import create_backbone, load_recogniser, save_recogniser

NAMES = ("small", "small-judge", "tiny")


@pytest.mark.parametrize("name", NAMES)
def test_small_networks_map_64_pixels_to_their_dimension(name: str) -> None:
    network = create_backbone(name, dimension=24).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 24)
    assert (network.image_size, network.dimension, network.architecture) == (64, 24, name)


@pytest.mark.parametrize("name", NAMES)
def test_small_networks_take_larger_crops_too(name: str, tmp_path: Path) -> None:
    network = create_backbone(name, dimension=24, image_size=112).eval()
    crops = torch.randn(2, 3, 112, 112)
    assert network(crops).shape == (2, 24)
    read = load_recogniser(save_recogniser(tmp_path / "r.safetensors", network)).backbone
    assert read.image_size == 112
    torch.testing.assert_close(read(crops), network(crops), atol=0.02, rtol=0.02)  # stored as float16


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16 from 32 to 256, found 40"):
        create_backbone("tiny", image_size=40)
    with pytest.raises(ValueError, match="iresnet18 takes images of 112 pixels, found 64"):
        create_backbone("iresnet18", image_size=64)


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
