from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hyperface_lib.embedding import create_backbone, load_backbone
from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS, IResNet

DIMENSION = 16
PARTS = {"bn1": "0", "conv1": "1", "bn2": "2", "prelu": "3", "conv2": "4", "bn3": "5"}


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(5)
    made = create_backbone("iresnet18", dimension=DIMENSION).eval()
    with torch.no_grad():
        for key, value in made.state_dict().items():
            if key.endswith("running_mean"):
                value.normal_(0, 0.1)
    return made


def numbered(state: dict[str, torch.Tensor], prefix: str = "net.") -> dict[str, torch.Tensor]:
    """Rename arcface_torch's names to CVLface's, whose first shortcut has no weights."""
    result = {}
    fixed = {"conv1": "input_layer.0", "bn1": "input_layer.1", "prelu": "input_layer.2", "bn2": "output_layer.0"}
    fixed |= {"fc": "output_layer.3", "features": "output_layer.4"}
    starts = {1: 0, 2: 2, 3: 4, 4: 6}
    for name, value in state.items():
        if name in ("features.weight", "features.bias") or name.startswith("layer1.0.downsample"):
            continue
        match = re.fullmatch(r"layer(\d)\.(\d+)\.(\w+)\.(.+)", name)
        if match:
            block, part = starts[int(match[1])] + int(match[2]), match[3]
            inner = "shortcut_layer" if part == "downsample" else f"res_layer.{PARTS[part]}"
            result[f"{prefix}body.{block}.{inner}.{match[4]}"] = value
        else:
            head, _, leaf = name.partition(".")
            result[f"{prefix}{fixed[head]}.{leaf}"] = value
    return result


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone.", "net."])
def test_arcface_torch_files_are_read_with_any_prefix(network: torch.nn.Module, tmp_path: Path, prefix: str) -> None:
    torch.save({prefix + key: value for key, value in network.state_dict().items()}, tmp_path / "model.pt")
    loaded = load_backbone(tmp_path / "model.pt")
    assert loaded.architecture == "iresnet18" and loaded.dimension == DIMENSION
    assert same(loaded, network) and not loaded.training


def test_training_checkpoints_and_safetensors_are_read(network: torch.nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    torch.save({"epoch": 3, "global_step": 7, "state_dict_backbone": state}, tmp_path / "checkpoint_gpu_0.pt")
    save_file(state, tmp_path / "model.safetensors")
    assert same(load_backbone(tmp_path / "checkpoint_gpu_0.pt"), network)
    assert same(load_backbone(tmp_path / "model.safetensors"), network)


def test_cvlface_files_compute_what_the_other_layout_computes(network: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(numbered(network.state_dict()), tmp_path / "model.pt")
    torch.save(
        {"state_dict": numbered(network.state_dict(), "model.") | {"head.kernel": torch.ones(2, 3)}},
        tmp_path / "adaface.ckpt",
    )
    expected = IResNet(IRESNET_DEPTHS["iresnet18"], DIMENSION, first_shortcut="subsampled").eval()
    missing = expected.load_state_dict(network.state_dict(), strict=False)
    assert not missing.missing_keys
    images = torch.rand(1, 3, 112, 112) * 2 - 1
    with torch.inference_mode():
        for name in ("model.pt", "adaface.ckpt"):
            assert torch.allclose(load_backbone(tmp_path / name)(images), expected(images), atol=1e-5)
        flipped = load_backbone(tmp_path / "model.pt", color_space="BGR")
        assert torch.allclose(flipped(images.flip(1)), expected(images), atol=1e-5)
        assert not torch.allclose(flipped(images), expected(images), atol=1e-2)


def test_files_that_do_not_fit_are_refused_with_the_difference(network: torch.nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    short = {key: value for key, value in state.items() if key != "layer2.1.bn3.bias"} | {"extra.weight": torch.ones(1)}
    torch.save(short, tmp_path / "short.pt")
    with pytest.raises(ValueError, match=r"short\.pt: .*1 missing: layer2\.1\.bn3\.bias; 1 unexpected: extra\.weight"):
        load_backbone(tmp_path / "short.pt")
    torch.save(state | {"conv1.weight": torch.ones(64, 1, 3, 3)}, tmp_path / "grey.pt")
    with pytest.raises(ValueError, match=r"conv1\.weight \(64, 1, 3, 3\) instead of \(64, 3, 3, 3\)"):
        load_backbone(tmp_path / "grey.pt")
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt: expected an IResNet .*found names such as weight"):
        load_backbone(tmp_path / "other.pt")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("harm-was-done"),))


def test_hostile_and_broken_files_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Harmful()}, "hostile.pt")
    with pytest.raises(ValueError, match=r"hostile\.pt cannot be read as plain tensors"):
        load_backbone("hostile.pt")
    assert not Path("harm-was-done").exists()
    Path("broken.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(ValueError, match=r"broken\.safetensors is not a readable safetensors file"):
        load_backbone("broken.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no weights at absent\.pt"):
        load_backbone("absent.pt")
    torch.save([torch.ones(2)], "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds a list"):
        load_backbone("list.pt")
