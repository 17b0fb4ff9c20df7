from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from hyperface_lib.embedding import create_backbone


def randomised(name: str = "iresnet18", dimension: int = 32) -> torch.nn.Module:
    """Return a network whose every tensor, statistics included, is drawn."""
    generator = torch.Generator().manual_seed(3)
    network = create_backbone(name, dimension=dimension)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            drawn = torch.randn(tensor.shape, generator=generator)
            if key.endswith("running_var"):
                tensor.copy_(0.5 + drawn.abs())
            elif tensor.ndim > 1:
                tensor.copy_(drawn * (1.5 / tensor[0].numel()) ** 0.5)
            else:
                tensor.copy_(1 + 0.2 * drawn if key.endswith("weight") else 0.2 * drawn)
    return network.eval()


def independent(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Compute an arcface_torch IResNet from the names of its weights and nothing else."""

    def norm(x: torch.Tensor, key: str) -> torch.Tensor:
        part = [state[f"{key}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
        mean, variance, weight, bias = (p.reshape(1, -1, *[1] * (x.ndim - 2)) for p in part)
        return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias

    def prelu(x: torch.Tensor, key: str) -> torch.Tensor:
        return torch.where(x >= 0, x, x * state[f"{key}.weight"].reshape(1, -1, 1, 1))

    x = prelu(norm(functional.conv2d(x, state["conv1.weight"], padding=1), "bn1"), "prelu")
    for stage in range(1, 5):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in state:
            key, stride = f"layer{stage}.{block}", 2 if block == 0 else 1
            y = functional.conv2d(norm(x, f"{key}.bn1"), state[f"{key}.conv1.weight"], padding=1)
            y = prelu(norm(y, f"{key}.bn2"), f"{key}.prelu")
            y = norm(functional.conv2d(y, state[f"{key}.conv2.weight"], padding=1, stride=stride), f"{key}.bn3")
            if block == 0:
                x = functional.conv2d(x, state[f"{key}.downsample.0.weight"], stride=2)
                x = norm(x, f"{key}.downsample.1")
            x, block = x + y, block + 1
    x = norm(x, "bn2").flatten(1) @ state["fc.weight"].T + state["fc.bias"]
    return norm(x, "features")


@torch.inference_mode()
def test_outputs_equal_an_independent_implementation() -> None:
    network = randomised()
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = independent(network.state_dict(), images)
    assert expected.std() > 0.1
    assert torch.allclose(network(images), expected, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("name", "keys", "millions"),
    [("iresnet18", 187, 24.03), ("iresnet34", 331, 34.14), ("iresnet50", 475, 43.59), ("iresnet100", 925, 65.16)],
)
def test_names_and_sizes_are_those_of_the_public_checkpoints(name: str, keys: int, millions: float) -> None:
    with torch.device("meta"):
        network = create_backbone(name)
    state = network.state_dict()
    assert len(state) == keys
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert state["conv1.weight"].shape == (64, 3, 3, 3)
    assert state["fc.weight"].shape == (512, 25088)
    assert {f"layer{stage}.0.downsample.0.weight" for stage in range(1, 5)} <= set(state)


def test_the_last_scale_stays_at_one() -> None:
    network = create_backbone("iresnet18", dimension=16)
    assert not network.features.weight.requires_grad
    assert torch.equal(network.features.weight, torch.ones(16))


def test_unknown_backbones_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'resnet50'; known: iresnet18, .*small"):
        create_backbone("resnet50")
