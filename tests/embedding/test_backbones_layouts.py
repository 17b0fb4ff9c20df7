from __future__ import annotations

import argparse
import re
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from hyperface_lib.embedding import create_backbone, load_backbone
from hyperface_lib.embedding.backbones_layouts import _from_numbered_layout, architecture_of, backbone_from_tensors
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


def numbered(
    state: dict[str, torch.Tensor], prefix: str = "net.", depths: tuple[int, ...] = (2, 2, 2, 2)
) -> dict[str, torch.Tensor]:
    """Rename arcface_torch's names to CVLface's, whose first shortcut has no weights."""
    result = {}
    fixed = {"conv1": "input_layer.0", "bn1": "input_layer.1", "prelu": "input_layer.2", "bn2": "output_layer.0"}
    fixed |= {"fc": "output_layer.3", "features": "output_layer.4"}
    starts = {stage: sum(depths[: stage - 1]) for stage in (1, 2, 3, 4)}
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
    centres = torch.nn.Linear(DIMENSION, 5, bias=False)
    optimiser = torch.optim.SGD(centres.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser)
    centres(torch.ones(2, DIMENSION)).sum().backward()
    optimiser.step()
    schedule.step()
    resumed = {
        "epoch": 3,
        "global_step": 7,
        "state_dict_backbone": state,
        "state_dict_softmax_fc": centres.state_dict(),
        "state_optimizer": optimiser.state_dict(),
        "state_lr_scheduler": schedule.state_dict(),
        "args": argparse.Namespace(batch_size=128, output="somewhere"),
    }
    torch.save(resumed, tmp_path / "checkpoint_gpu_0.pt")
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
    with pytest.raises(ValueError, match=r"hostile\.pt: plain tensors .weights_only. were expected"):
        load_backbone("hostile.pt")
    assert not Path("harm-was-done").exists()
    Path("broken.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(ValueError, match=r"broken\.safetensors: a safetensors file was expected"):
        load_backbone("broken.safetensors")
    with pytest.raises(FileNotFoundError, match=r"absent\.pt: a file of weights was expected"):
        load_backbone("absent.pt")
    torch.save([torch.ones(2)], "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt: .* found a list"):
        load_backbone("list.pt")


def norm(x: torch.Tensor, t: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    return functional.batch_norm(
        x, t[f"{name}.running_mean"], t[f"{name}.running_var"], t.get(f"{name}.weight"), t.get(f"{name}.bias"), eps=1e-5
    )


def by_arcface_torch_names(x: torch.Tensor, t: dict[str, torch.Tensor], depths: tuple[int, ...]) -> torch.Tensor:
    """The network as the layout describes it: BN, conv, BN, PReLU, conv with the stride, BN, plus a projection."""
    x = functional.prelu(norm(functional.conv2d(x, t["conv1.weight"], padding=1), t, "bn1"), t["prelu.weight"])
    for stage, depth in enumerate(depths, 1):
        for number in range(depth):
            name, stride = f"layer{stage}.{number}", 1 if number else 2
            y = functional.conv2d(norm(x, t, f"{name}.bn1"), t[f"{name}.conv1.weight"], padding=1)
            y = functional.prelu(norm(y, t, f"{name}.bn2"), t[f"{name}.prelu.weight"])
            y = norm(functional.conv2d(y, t[f"{name}.conv2.weight"], stride=stride, padding=1), t, f"{name}.bn3")
            if not number:
                x = functional.conv2d(x, t[f"{name}.downsample.0.weight"], stride=2)
                x = norm(x, t, f"{name}.downsample.1")
            x = x + y
    return norm(functional.linear(norm(x, t, "bn2").flatten(1), t["fc.weight"], t["fc.bias"]), t, "features")


def by_cvlface_names(x: torch.Tensor, t: dict[str, torch.Tensor], depths: tuple[int, ...]) -> torch.Tensor:
    """The network as CVLface's layout describes it: numbered blocks, the first shortcut every second pixel."""
    x = functional.prelu(norm(functional.conv2d(x, t["input_layer.0.weight"], padding=1), t, "input_layer.1"),
                         t["input_layer.2.weight"])  # fmt: skip
    block = 0
    for depth in depths:
        for number in range(depth):
            name, stride = f"body.{block}", 1 if number else 2
            y = functional.conv2d(norm(x, t, f"{name}.res_layer.0"), t[f"{name}.res_layer.1.weight"], padding=1)
            y = functional.prelu(norm(y, t, f"{name}.res_layer.2"), t[f"{name}.res_layer.3.weight"])
            y = functional.conv2d(y, t[f"{name}.res_layer.4.weight"], stride=stride, padding=1)
            y = norm(y, t, f"{name}.res_layer.5")
            if f"{name}.shortcut_layer.0.weight" in t:
                x = norm(functional.conv2d(x, t[f"{name}.shortcut_layer.0.weight"], stride=stride), t,
                         f"{name}.shortcut_layer.1")  # fmt: skip
            else:
                x = x[:, :, ::stride, ::stride]
            x = x + y
            block += 1
    x = functional.linear(norm(x, t, "output_layer.0").flatten(1), t["output_layer.3.weight"], t["output_layer.3.bias"])
    return norm(x, t, "output_layer.4")


@pytest.fixture(scope="module")
def varied() -> dict[str, torch.Tensor]:
    """Weights of which every tensor matters: no scale is 1, no shift 0."""
    generator = torch.Generator().manual_seed(9)
    state = create_backbone("iresnet18", dimension=DIMENSION).state_dict()
    for name, value in state.items():
        if name.endswith(("bias", "running_mean")):
            state[name] = torch.randn(value.shape, generator=generator) * 0.1
        elif value.ndim == 1 and not name.startswith("features.weight"):
            state[name] = 0.6 + 0.4 * torch.rand(value.shape, generator=generator)
        elif value.ndim == 4:
            state[name] = torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5
    return state


def test_both_layouts_compute_what_their_descriptions_say(varied: dict[str, torch.Tensor], tmp_path: Path) -> None:
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    depths = IRESNET_DEPTHS["iresnet18"]
    torch.save(varied, tmp_path / "model.pt")
    other = numbered(varied, "")
    torch.save({f"net.{name}": value for name, value in other.items()}, tmp_path / "adaface.pt")
    with torch.inference_mode():
        for name, expected in (("model.pt", by_arcface_torch_names(images, varied, depths)),
                               ("adaface.pt", by_cvlface_names(images, other, depths))):  # fmt: skip
            found = load_backbone(tmp_path / name)(images)
            assert expected.std() > 0.1 and torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
            reversed_ = load_backbone(tmp_path / name, color_space="BGR")(images.flip(1))
            assert torch.allclose(reversed_, expected, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("name", "keys", "millions"),
    [("iresnet18", 187, 24.03), ("iresnet34", 331, 34.14), ("iresnet50", 475, 43.59), ("iresnet100", 925, 65.16),
     ("iresnet200", 1807, 118.83)],
)  # fmt: skip
def test_every_depth_has_the_published_names_and_is_told_by_them(name: str, keys: int, millions: float) -> None:
    with torch.device("meta"):
        made = create_backbone(name)
    state = made.state_dict()
    assert len(state) == keys
    assert sum(parameter.numel() for parameter in made.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    assert architecture_of(state) == name
    # The same under CVLface's numbers: "ir101" there is what is called 100 here.
    other = numbered(state, "", IRESNET_DEPTHS[name])
    assert f"body.{sum(IRESNET_DEPTHS[name]) - 1}.res_layer.5.weight" in other
    with torch.device("meta"):
        assert architecture_of(_from_numbered_layout(other)) == name


def test_absurd_and_damaged_weights_are_refused_in_one_sentence(network: torch.nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    # A stride of zero makes a tensor of any size out of one number.
    huge = state | {"fc.weight": torch.zeros(1).expand(10**9, 25088)}
    with pytest.raises(ValueError, match=r"dimension up to 8192 was expected, found \(1000000000, 25088\)"):
        backbone_from_tensors(huge)
    torch.save({name: value[:2].clone() if value.ndim else value for name, value in state.items()}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as source, zipfile.ZipFile(tmp_path / "packed.pt", "w") as packed:
        for entry in source.infolist():
            packed.writestr(entry.filename, source.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(
        ValueError, match=r"packed\.pt: tensors as torch stores them were expected, found .* compressed"
    ):
        load_backbone(tmp_path / "packed.pt")
    content = (tmp_path / "a.pt").read_bytes()
    for suffix in (".pt", ".safetensors"):
        path = tmp_path / f"cut{suffix}"
        for end in (0, 1, 30, 1000, len(content) // 2, len(content) - 20):
            path.write_bytes(content[:end])
            with pytest.raises(ValueError, match=rf"cut\{suffix}: .* expected, found") as error:
                load_backbone(path)
            assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="a file of weights was expected, found a folder"):
        load_backbone(tmp_path)
    torch.save(state | {"layer2.0.se.fc1.weight": torch.ones(2)}, tmp_path / "se.pt")
    with pytest.raises(ValueError, match=r"1 unexpected: layer2\.0\.se\.fc1\.weight"):
        load_backbone(tmp_path / "se.pt")
