"""The paper's profile with everything it needs from elsewhere replaced by small random stand-ins in the same formats.

The shipped profile is read, its requirements are checked, and all five notebooks run: photographs found and aligned, an
ONNX recogniser, Arc2Face's five parts, aligned crops, an IResNet, InsightFace's benchmark files.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib import pipeline
from hyperface_lib.assets import CHECKOUT, data_folder
from hyperface_lib.formats import PairSet, write_verification_bin

pytest.importorskip("transformers", reason="transformers is not installed: run make install")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: run make install")
needs_photos = pytest.mark.skipif(
    importlib.util.find_spec("dlib") is None, reason="dlib is not installed: run make install"
)

DIMENSION = 512
PEOPLE = 40
SMALL = {
    "n_gallery": PEOPLE, "n": 6, "max_steps": 20, "identities": 4, "images_per_identity": 2, "steps": 2, "epochs": 1.0,
    "batch_size": 4, "architecture": "tiny", "dimension": 32,
}  # fmt: skip


def write_photographs(folder: Path) -> None:
    """One public-domain photograph under many lights: the detector finds a face, every vector is another."""
    portrait = pytest.importorskip("skimage.data", reason="scikit-image is not installed: run make install").astronaut()
    rng = np.random.default_rng(0)
    for person in range(PEOPLE):
        light = rng.uniform(90, 255, (5, 5, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(light).resize(portrait.shape[1::-1], Image.Resampling.BICUBIC))
        (folder / f"p{person:02d}").mkdir(parents=True)
        lit = (portrait * (smooth / 255)).astype(np.uint8)
        Image.fromarray(lit[:320, 60:380]).save(folder / f"p{person:02d}" / "1.jpg", quality=90)


def write_recogniser(file: Path) -> None:
    """A linear map of a seven by seven thumbnail."""
    from onnx import helper, numpy_helper

    weight = np.random.default_rng(1).standard_normal((147, DIMENSION)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["out"]),
    ]
    floats = onnx.TensorProto.FLOAT
    entry = helper.make_tensor_value_info("data", floats, ["n", 3, 112, 112])
    result = helper.make_tensor_value_info("out", floats, ["n", DIMENSION])
    graph = helper.make_graph(nodes, "g", [entry], [result], [numpy_helper.from_array(weight, "weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)


def write_benchmarks(folder: Path) -> None:
    """Five files of twenty pairs of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    for name in ("lfw", "cplfw", "calfw", "cfp_fp", "agedb_30"):
        blocks = rng.integers(0, 256, (40, 14, 14, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
        first, second = np.arange(0, 40, 2), np.arange(1, 40, 2)
        is_same = np.arange(20) % 2 == 0
        blocks[second[is_same]] = blocks[first[is_same]]
        pairs = PairSet(name, blocks, first, second, is_same, None, True, {})
        write_verification_bin(folder / f"{name}.bin", pairs)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, write_arc2face: Callable[[Path, int], None]) -> Path:
    """A data folder with everything that ships, and stand-ins for what does not."""
    root = tmp_path_factory.mktemp("paper")
    shutil.copytree(CHECKOUT / "data", root / "data", ignore=shutil.ignore_patterns("external", "generator"))
    external = root / "data" / "external"
    write_photographs(external / "gallery")
    write_arc2face(external / "arc2face", DIMENSION)
    write_recogniser(external / "arc2face" / "arcface.onnx")
    write_benchmarks(external / "insightface")
    return root


@needs_photos
@pytest.mark.slow
def test_the_papers_profile_runs_on_stand_ins(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(world / "data"))
    monkeypatch.setenv("HYPERFACE_RUNS", str(world / "runs"))
    assert data_folder() == world / "data"
    plan = pipeline.plan_run("paper", parameters=SMALL)
    assert not plan.profile.missing()
    result = pipeline.execute_plan(plan)
    assert result.failed is None, result.failed
    assert [step.status for step in result.steps] == ["done"] * 5
    rows = json.loads((world / "runs" / "paper" / "tables" / "benchmark.json").read_text())["rows"]
    assert {row["set"] for row in rows} == {"lfw", "cplfw", "calfw", "cfp-fp", "agedb"}
    assert len({row["model"] for row in rows}) == 4  # three variants and the teacher
    manifest = json.loads((world / "runs/paper/datasets/packed-attraction/manifest.json").read_text())
    assert manifest["parameters"]["image_size"] == 112


def test_without_its_requirements_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "profiles").symlink_to(CHECKOUT / "data" / "profiles")
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HYPERFACE_RUNS", str(tmp_path / "runs"))
    missing = pipeline.plan_run("paper").profile.missing()
    assert len(missing) == 8
    with pytest.raises(FileNotFoundError, match="needs 8 things"):
        pipeline.execute_plan(pipeline.plan_run("paper"))
