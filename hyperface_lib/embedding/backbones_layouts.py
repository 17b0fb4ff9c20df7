"""Read IResNet weights of others: find the layout and the depth from the names, translate, refuse what does not fit.

Two layouts are in use: that of arcface_torch (`layer1.0.bn1.weight`), which is ours, and that of CVLface and AdaFace
(`net.body.0.res_layer.0.weight`), whose blocks hold the same operations under numbers. In the second the last batch
norm has no scale and no shift (they are 1 and 0), and the first block's shortcut takes every second pixel.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS, IResNet

_PREFIXES = ("module.", "backbone.", "net.", "model.", "_orig_mod.")
_WRAPPERS = ("state_dict", "state_dict_backbone", "model_state_dict", "backbone", "model")
_BLOCK_PARTS = {"0": "bn1", "1": "conv1", "2": "bn2", "3": "prelu", "4": "conv2", "5": "bn3"}
_SHOWN = 6
_LARGEST_DIMENSION = 8192


def load_backbone(path: str | Path, color_space: str = "RGB") -> IResNet:
    """Read an IResNet from a `.pt`, `.pth` or `.safetensors` file; layout, depth and dimension come from the file.

    The backbone always takes RGB; say `color_space="BGR"` for weights that learned on BGR (AdaFace's own, and those
    whose CVLface configuration says so), which no file of weights records.
    Raises FileNotFoundError, or ValueError naming the file and the tensors that are missing, unexpected or of another
    shape. No code in the file is run.
    """
    if color_space not in ("RGB", "BGR"):
        raise ValueError(f"color_space must be 'RGB' or 'BGR', found {color_space!r}")
    tensors = strip_prefixes(read_tensors(path))
    try:
        return backbone_from_tensors(tensors, reverse_channels=color_space == "BGR")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read named tensors from a safetensors or torch file, looking inside the usual wrappers.

    Raises FileNotFoundError, or ValueError naming the file.
    """
    source = Path(path)
    if source.is_dir():
        raise ValueError(f"{source}: a file of weights was expected, found a folder")
    if not source.is_file():
        raise FileNotFoundError(f"{source}: a file of weights was expected, found nothing there")
    if source.suffix == ".safetensors":
        try:
            return load_file(source)
        except SafetensorError as error:
            raise ValueError(f"{source}: a safetensors file was expected, found: {_first_line(error)}") from error
    _check_archive(source)
    try:
        # Vec2Face and others keep their command line beside the weights: a bag of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{source}: plain tensors (weights_only) were expected, found: {_first_line(error)}"
        ) from error
    for _ in range(2):
        if isinstance(content, dict):
            inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
            content = content if inner is None else inner
    if not isinstance(content, dict):
        raise ValueError(f"{source}: a table of named tensors was expected, found a {type(content).__name__}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{source}: named tensors were expected, found none")
    return tensors


def _check_archive(source: Path) -> None:
    """Refuse a torch file with compressed parts: torch writes none, and a small one could unpack to any size."""
    if not zipfile.is_zipfile(source):
        return
    try:
        with zipfile.ZipFile(source) as archive:
            packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{source}: a torch file was expected, found: {_first_line(error)}") from error
    if packed:
        raise ValueError(f"{source}: tensors as torch stores them were expected, found {packed[0]!r} compressed")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def strip_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove prefixes such as `module.` that all names share, however many there are.

    A head that was saved beside the backbone is left out, if the backbone's names begin with `backbone.`, `net.` or
    `model.`.
    """
    changed = True
    while changed:
        changed = False
        for prefix in _PREFIXES:
            if all(name.startswith(prefix) for name in tensors):
                tensors = {name[len(prefix) :]: value for name, value in tensors.items()}
                changed = True
        for prefix in ("backbone.", "net.", "model."):
            inside = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
            if inside and len(inside) < len(tensors) and not any(name.startswith("layer1.") for name in tensors):
                tensors = inside
                changed = True
    return tensors


def backbone_from_tensors(tensors: dict[str, Tensor], reverse_channels: bool = False) -> IResNet:
    """Build the IResNet that named tensors of either layout belong to. Raises ValueError with the differing names."""
    numbered = any(name.startswith("body.") for name in tensors)
    if numbered:
        tensors = _from_numbered_layout(tensors)
    architecture = architecture_of(tensors)
    weight = tensors.get("fc.weight")
    if weight is None or weight.ndim != 2 or not 1 <= weight.shape[0] <= _LARGEST_DIMENSION:
        found = "none" if weight is None else f"{tuple(weight.shape)}"
        raise ValueError(
            f"the tensor fc.weight (dimension, 25088), dimension up to {_LARGEST_DIMENSION} was expected, found {found}"
        )
    backbone = IResNet(
        IRESNET_DEPTHS[architecture],
        dimension=weight.shape[0],
        architecture=architecture,
        first_shortcut="projected" if "layer1.0.downsample.0.weight" in tensors or not numbered else "subsampled",
        reverse_channels=reverse_channels,
    )
    check_fit(backbone, tensors)
    # Batch counters are all that may be absent; what is there was checked.
    values = backbone.state_dict()
    for name, value in tensors.items():
        values[name] = value.float() if value.is_floating_point() else value
    backbone.load_state_dict(values, strict=True)
    return backbone.eval()


def architecture_of(tensors: dict[str, Tensor]) -> str:
    """Return the name of the IResNet whose blocks tensors of arcface_torch's names make up.

    Raises ValueError with what was found instead of 18, 34, 50, 100 or 200 layers.
    """
    depths = _depths(tensors)
    known = {value: name for name, value in IRESNET_DEPTHS.items()}
    if depths not in known:
        found = f"blocks {depths}" if any(depths) else f"names such as {', '.join(sorted(tensors)[:3])}"
        raise ValueError(
            f"expected an IResNet of 18, 34, 50, 100 or 200 layers (arcface_torch or CVLface names), found {found}"
        )
    return known[depths]


def check_fit(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Raise ValueError listing what is missing, unexpected or of another shape; batch counters may be absent."""
    wanted = module.state_dict()
    missing = sorted(n for n in wanted if n not in tensors and not n.endswith("num_batches_tracked"))
    surplus = sorted(n for n in tensors if n not in wanted)
    shapes = sorted(
        f"{n} {tuple(tensors[n].shape)} instead of {tuple(wanted[n].shape)}"
        for n in wanted
        if n in tensors and tensors[n].shape != wanted[n].shape
    )
    parts = [
        f"{len(names)} {word}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
        for word, names in (("missing", missing), ("unexpected", surplus), ("of another shape", shapes))
        if names
    ]
    if parts:
        raise ValueError(f"the tensors of {type(module).__name__} were expected, found others; {'; '.join(parts)}")


def _depths(tensors: dict[str, Tensor]) -> tuple[int, int, int, int]:
    highest = [0, 0, 0, 0]
    for name in tensors:
        match = re.match(r"layer([1-4])\.(\d+)\.", name)
        if match:
            stage = int(match[1]) - 1
            highest[stage] = max(highest[stage], int(match[2]) + 1)
    return highest[0], highest[1], highest[2], highest[3]


def _from_numbered_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Translate CVLface's names to arcface_torch's; stages are told apart by the blocks' widths."""
    stage_of, place_of = _number_stages(tensors)
    result: dict[str, Tensor] = {}
    for name, value in tensors.items():
        result[_translated(name, stage_of, place_of)] = value
    dimension = tensors["output_layer.3.weight"].shape[0] if "output_layer.3.weight" in tensors else 0
    result.setdefault("features.weight", torch.ones(dimension))
    result.setdefault("features.bias", torch.zeros(dimension))
    return result


def _number_stages(tensors: dict[str, Tensor]) -> tuple[dict[int, int], dict[int, int]]:
    widths = {}
    for name, value in tensors.items():
        match = re.fullmatch(r"body\.(\d+)\.res_layer\.4\.weight", name)
        if match:
            widths[int(match[1])] = value.shape[0]
    order = sorted(set(widths.values()))
    stage_of, place_of, counts = {}, {}, dict.fromkeys(order, 0)
    for block in sorted(widths):
        width = widths[block]
        stage_of[block], place_of[block] = order.index(width) + 1, counts[width]
        counts[width] += 1
    return stage_of, place_of


def _translated(name: str, stage_of: dict[int, int], place_of: dict[int, int]) -> str:
    match = re.fullmatch(r"body\.(\d+)\.(res_layer|shortcut_layer)\.(\d+)\.(.+)", name)
    if match and int(match[1]) in stage_of:
        block, part, number, leaf = int(match[1]), match[2], match[3], match[4]
        inner = _BLOCK_PARTS.get(number, f"res_layer.{number}") if part == "res_layer" else f"downsample.{number}"
        return f"layer{stage_of[block]}.{place_of[block]}.{inner}.{leaf}"
    for old, new in (
        ("input_layer.0.", "conv1."),
        ("input_layer.1.", "bn1."),
        ("input_layer.2.", "prelu."),
        ("output_layer.0.", "bn2."),
        ("output_layer.3.", "fc."),
        ("output_layer.4.", "features."),
    ):
        if name.startswith(old):
            return new + name[len(old) :]
    return name
