from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.embedding import load_embedder
from hyperface_lib.embedding.onnx_embedder import OnnxEmbedder, load_pack, normalises_itself
from hyperface_lib.embedding.onnx_graph import first_nodes

onnx = pytest.importorskip("onnx", reason="install it with `make install`")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
DIMENSION = 64
WEIGHT = np.random.default_rng(2).normal(size=(3 * 4, DIMENSION)).astype(np.float32)


def write_network(
    path: Path, raw_pixels: bool = False, size: int = 112, outputs: int = 1, batch: object = None
) -> Path:
    """Write a network that averages quarters of the picture and multiplies them by a matrix."""
    nodes, constants, source = [], [numpy_helper.from_array(WEIGHT, "weight")], "data"
    if raw_pixels:
        constants += [numpy_helper.from_array(np.float32(127.5), "mean")]
        constants += [numpy_helper.from_array(np.float32(1 / 128), "scale")]
        nodes.append(helper.make_node("Sub", [source, "mean"], ["moved"], name="_minusscalar0"))
        nodes.append(helper.make_node("Mul", ["moved", "scale"], ["scaled"], name="_mulscalar0"))
        source = "scaled"
    pool = {"kernel_shape": [size // 2] * 2, "strides": [size // 2] * 2}
    nodes.append(helper.make_node("AveragePool", [source], ["pooled"], name="pool", **pool))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"))
    nodes.append(helper.make_node("MatMul", ["flat", "weight"], ["out0"], name="fc"))
    nodes += [helper.make_node("Identity", ["out0"], [f"out{i}"], name=f"copy{i}") for i in range(1, outputs)]
    floats = onnx.TensorProto.FLOAT
    entry = helper.make_tensor_value_info("data", floats, [batch or "n", 3, size, size])
    results = [helper.make_tensor_value_info(f"out{i}", floats, [batch or "n", DIMENSION]) for i in range(outputs)]
    graph = helper.make_graph(nodes, "g", [entry], results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def expected(images: np.ndarray, mean: float, std: float) -> np.ndarray:
    x = (images.astype(np.float64) - mean) / std
    quarters = x.reshape(len(x), 2, 56, 2, 56, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(len(x), -1)
    return quarters @ WEIGHT


def pictures(count: int) -> np.ndarray:
    blocks = np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return blocks.repeat(14, axis=1).repeat(14, axis=2)


def test_pixels_are_scaled_unless_the_graph_does_it(tmp_path: Path) -> None:
    images = pictures(3)
    plain = OnnxEmbedder(write_network(tmp_path / "a.onnx"), flip=False)
    assert (plain.mean, plain.std) == (127.5, 127.5)
    assert np.allclose(plain.embed_raw(images), expected(images, 127.5, 127.5), atol=1e-3)
    own = OnnxEmbedder(write_network(tmp_path / "b.onnx", raw_pixels=True), flip=False)
    assert (own.mean, own.std) == (0.0, 1.0)
    assert np.allclose(own.embed_raw(images), expected(images, 127.5, 128), atol=1e-3)


@pytest.mark.parametrize("batch", [None, 1])
def test_vectors_are_unit_mirror_proof_and_independent_of_company(tmp_path: Path, batch: object) -> None:
    embedder = load_embedder(f"onnx:{write_network(tmp_path / 'a.onnx', batch=batch)}")
    images = pictures(5)
    vectors = embedder.embed(images)
    assert vectors.shape == (5, DIMENSION)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(embedder.embed(images[:, :, ::-1].copy()), vectors, atol=1e-5)
    assert np.array_equal(embedder.embed(images[3:4])[0], vectors[3])


def test_a_network_that_learned_on_bgr_is_given_bgr(tmp_path: Path) -> None:
    path, images = write_network(tmp_path / "a.onnx"), pictures(2)
    reversed_ = load_embedder(f"bgr:onnx:{path}", flip=False)
    assert reversed_.name == f"bgr:onnx:{path}"
    assert np.allclose(reversed_.embed_raw(images), expected(images[..., ::-1], 127.5, 127.5), atol=1e-3)
    assert np.array_equal(load_embedder(f"bgr:pack:{tmp_path}", flip=False).embed(images), reversed_.embed(images))
    with pytest.raises(ValueError, match="'RGB' or 'BGR' was expected, found 'GRB'"):
        OnnxEmbedder(path, channel_order="GRB")


def test_first_nodes_are_those_onnx_itself_reads(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", raw_pixels=True)
    nodes = onnx.load(path).graph.node
    assert [(n.name, n.operation) for n in first_nodes(path, 99)] == [(n.name, n.op_type) for n in nodes]
    assert len(first_nodes(path, 2)) == 2
    assert normalises_itself(path)


def test_files_that_are_no_onnx_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(bytes(range(255)))
    with pytest.raises(ValueError, match="not encoded like an ONNX file"):
        first_nodes(tmp_path / "broken.onnx", 8)
    with pytest.raises(ValueError, match=r"broken\.onnx: a readable ONNX network was expected"):
        OnnxEmbedder(tmp_path / "broken.onnx")
    with pytest.raises(FileNotFoundError, match="an ONNX file was expected, found nothing"):
        OnnxEmbedder(tmp_path / "absent.onnx")


@pytest.mark.parametrize("wrong", [{"outputs": 5}, {"size": 192}, {"size": 96}])
def test_networks_of_other_tasks_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"is not a recognition network: expected one input .*found inputs data"):
        OnnxEmbedder(write_network(tmp_path / "detector.onnx", **wrong))


def test_a_pack_gives_its_first_recogniser(tmp_path: Path) -> None:
    write_network(tmp_path / "a_landmarks.onnx", size=192)
    write_network(tmp_path / "b_recogniser.onnx")
    write_network(tmp_path / "c_recogniser.onnx", raw_pixels=True)
    (tmp_path / "0_broken.onnx").write_bytes(b"nothing")
    embedder = load_embedder(f"pack:{tmp_path}")
    assert embedder.fingerprint == OnnxEmbedder(tmp_path / "b_recogniser.onnx").fingerprint
    assert embedder.name == f"pack:{tmp_path}"


def test_packs_without_recogniser_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no .onnx files in"):
        load_pack(tmp_path)
    write_network(tmp_path / "landmarks.onnx", size=192)
    with pytest.raises(ValueError, match=r"none of landmarks\.onnx is a recognition network"):
        load_pack(tmp_path)
