"""What vectors and networks say of themselves to `hyperface inspect`: no code of theirs is run."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperface_lib.formats.inspection import Describer, Facts, Inspection

if TYPE_CHECKING:
    from hyperface_lib.embedding import Embedder

# Two rendered faces of each of six people show which order of colours a recogniser expects.
_PEOPLE = (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
_TORCH_SUFFIXES = (".pt", ".pth", ".ckpt", ".tar")


def describe_safetensors(path: Path) -> Inspection | None:
    """Describe identity vectors, a recogniser of the kit, IResNet weights of others, or other tensors."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        reason = str(problem).strip().splitlines()[0]
        return Inspection(
            path,
            "safetensors file",
            {"bytes": path.stat().st_size},
            (f"{path}: a safetensors file was expected, found: {reason}.",),
        )
    if "hyperface" in metadata:
        return _identity_vectors(path, shapes)
    if "hyperface_recogniser" in metadata:
        return _recogniser(path, shapes)
    named = any(name.endswith(("layer1.0.conv1.weight", "body.0.res_layer.1.weight")) for name in shapes)
    return _backbone(path) if named else Inspection(path, "tensors (safetensors)", _tensor_facts(shapes))


def describe_torch_weights(path: Path) -> Inspection | None:
    """Describe a PyTorch file that holds an IResNet; read with `weights_only`, so nothing in it can run."""
    if not path.is_file():
        return None
    # Other projects call torch files .bin too; a verification set is no zip archive.
    if path.suffix in _TORCH_SUFFIXES[:3] or (path.suffix in (".bin", ".tar") and zipfile.is_zipfile(path)):
        return _backbone(path)
    return None


def describe_onnx(path: Path) -> Inspection | None:
    """Describe an ONNX network, or a folder of them such as an InsightFace pack; recognisers are tried on faces."""
    if path.is_dir() and (files := sorted(path.glob("*.onnx"))):
        each = {file.name: _onnx(file) for file in files}
        facts: Facts = {"networks": len(files), **{name: one.facts.get("input", "") for name, one in each.items()}}
        recognisers = [name for name, one in each.items() if one.facts.get("recogniser") == "yes"]
        facts["normalisation"] = each[recognisers[0]].facts["takes"] if recognisers else "none"
        facts["recogniser"] = recognisers[0] if recognisers else "none"
        problems = [problem for one in each.values() for problem in one.problems]
        if len(recognisers) > 1:
            problems.append(f"{len(recognisers)} networks look like recognisers, the first by name is taken.")
        return Inspection(path, "folder of ONNX networks (InsightFace pack)", facts, tuple(problems))
    return _onnx(path) if path.suffix == ".onnx" and path.is_file() else None


NETWORK_DESCRIBERS: tuple[Describer, ...] = (describe_safetensors, describe_torch_weights, describe_onnx)


def _identity_vectors(path: Path, shapes: dict[str, tuple[int, ...]]) -> Inspection:
    from hyperface_lib.runs import IdentityVectors

    kind = "identity vectors (safetensors)"
    try:
        vectors = IdentityVectors.load(path)
    except ValueError as problem:
        return Inspection(path, kind, _tensor_facts(shapes), (str(problem),))
    facts = {
        "vectors": len(vectors),
        "dimension": vectors.dimension,
        "norm": vectors.norm,
        "embedder": vectors.embedder,
        "fingerprint": vectors.fingerprint,
        "first_ids": list(vectors.ids[:3]),
        "provenance": sorted(vectors.provenance),
    }
    twice = len(vectors) - len(set(vectors.ids))
    problems = (f"{twice} ids are there more than once.",) if twice else ()
    return Inspection(path, kind, facts, problems)


def _recogniser(path: Path, shapes: dict[str, tuple[int, ...]]) -> Inspection:
    from hyperface_lib.embedding import load_recogniser

    kind = "recogniser of the kit (safetensors)"
    try:
        loaded = load_recogniser(path)
    except (ValueError, KeyError, RuntimeError) as problem:
        reason = " ".join(str(problem).split())
        text = reason if str(path) in reason else f"{path}: a recogniser of the kit was expected, found: {reason}."
        return Inspection(path, kind, _tensor_facts(shapes), (text,))
    own = ("architecture", "dimension", "image_size")
    facts = {
        **{name: loaded.metadata[name] for name in own},
        "parameters": sum(parameter.numel() for parameter in loaded.backbone.parameters()),
        "class_centers": 0 if loaded.class_centers is None else len(loaded.class_centers),
        "metadata": sorted(set(loaded.metadata) - set(own)),
    }
    return Inspection(path, kind, facts)


def _backbone(path: Path) -> Inspection:
    from hyperface_lib.embedding import NetworkEmbedder, load_backbone

    try:
        backbone = load_backbone(path)
    except ValueError as problem:
        return Inspection(path, "network weights", {"bytes": path.stat().st_size}, (" ".join(str(problem).split()),))
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    facts = {
        "architecture": backbone.architecture,
        "dimension": backbone.dimension,
        "image_size": backbone.image_size,
        "parameters": parameters,
    }
    embedder = NetworkEmbedder(backbone, str(path), flip=False, batch_size=len(_PEOPLE), device="cpu")
    order, problems = _channel_order(embedder, f"{backbone.architecture}:{path}")
    return Inspection(path, "recogniser weights (IResNet)", facts | order, problems)


def _onnx(path: Path) -> Inspection:
    import onnx

    from hyperface_lib.embedding.onnx_embedder import OnnxEmbedder, normalises_itself

    kind = "ONNX network"
    try:
        model = onnx.load(path, load_external_data=False)
        own_normalisation = normalises_itself(path)
    # The protocol-buffer parser's own errors share no public class.
    except Exception as problem:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        return Inspection(
            path, kind, {"bytes": path.stat().st_size}, (f"{path}: an ONNX network was expected, found: {reason}.",)
        )
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    shapes = [_shape(one) for one in (*inputs, *graph.output)]
    facts: Facts = {
        "input": ", ".join(f"{one.name} {_shape(one)}" for one in inputs),
        "output": ", ".join(f"{one.name} {_shape(one)}" for one in graph.output),
        "recogniser": "yes" if len(inputs) == len(graph.output) == 1 and _is_recogniser(*shapes) else "no",
        "takes": "raw pixels" if own_normalisation else "(pixel - 127.5) / 127.5",
        "nodes": len(graph.node),
        "parameters": sum(math.prod(one.dims) for one in graph.initializer),
        "opset": ", ".join(f"{one.domain or 'ai.onnx'} {one.version}" for one in model.opset_import),
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
    }
    outside = sorted(
        {entry.value for one in graph.initializer for entry in one.external_data if entry.key == "location"}
    )
    missing = [name for name in outside if not (path.parent / name).is_file()]
    problems = [f"{len(missing)} files of its weights are missing, the first: {missing[0]}."] if missing else []
    foreign = sorted({node.domain for node in graph.node} - {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
    if foreign:
        problems.append(f"It needs operations of {', '.join(foreign)}, which onnxruntime does not bring.")
    if not graph.node:
        problems.append(f"{path}: an ONNX network was expected, found a graph without operations.")
    if facts["recogniser"] == "yes" and not problems:
        try:
            embedder = OnnxEmbedder(path, flip=False)
            order, warnings = _channel_order(embedder, f"onnx:{path}")
        # onnxruntime's own errors share no public class.
        except Exception as problem:
            order, warnings = {}, (f"{path} cannot be tried: {' '.join(str(problem).split())}",)
        facts |= order
        problems += warnings
    return Inspection(path, kind, facts, tuple(problems))


def _channel_order(embedder: Embedder, spec: str) -> tuple[Facts, tuple[str, ...]]:
    """Try a recogniser on rendered faces; say which order of colours it expects and how it is then loaded."""
    from PIL import Image

    from hyperface_lib.embedding import self_test
    from hyperface_lib.faces import FaceWorld, identity_seeds, nuisance_seed

    seeds = identity_seeds("showcase", max(_PEOPLE) + 1)
    pictures = [nuisance_seed(seeds[person], number % 2) for number, person in enumerate(_PEOPLE)]
    faces = FaceWorld(size=112).render_batch([seeds[p] for p in _PEOPLE], pictures, workers=1, profile="clean")
    size = embedder.image_size
    if size != faces.shape[1]:
        faces = np.stack([np.asarray(Image.fromarray(face).resize((size, size))) for face in faces])
    found = self_test(embedder, faces, _PEOPLE)
    facts = {
        "channel_order": found.channel_order or "undecided",
        "rendered_faces": found.describe(),
        "use": f"bgr:{spec}" if found.channel_order == "BGR" else spec,
    }
    return facts, (found.warning,) if found.warning else ()


def _shape(value: Any) -> list[int | str]:
    return [one.dim_param or int(one.dim_value) for one in value.type.tensor_type.shape.dim]


def _is_recogniser(image: list[int | str], vector: list[int | str]) -> bool:
    """Say whether shapes are those of a recogniser: as `embedding.onnx_embedder` decides, without a session."""
    if len(image) != 4 or len(vector) != 2 or image[1] != 3 or image[2] != image[3]:
        return False
    size, dimension = image[2], vector[1]
    if not isinstance(size, int) or not isinstance(dimension, int):
        return False
    return size >= 112 and size % 16 == 0 and size != 192 and dimension >= 64


def _tensor_facts(shapes: dict[str, tuple[int, ...]]) -> Facts:
    first = [f"{name} {list(shapes[name])}" for name in sorted(shapes)[:3]]
    return {"tensors": len(shapes), "parameters": _numbers_in(shapes), "first_tensors": first}


def _numbers_in(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())
