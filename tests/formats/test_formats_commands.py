"""`hyperface inspect` and `hyperface convert`, and what networks and vectors say of themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from hyperface_lib.cli import app
from hyperface_lib.cli.describers import NETWORK_DESCRIBERS
from hyperface_lib.embedding import create_backbone, save_recogniser
from hyperface_lib.formats import RecordReader, inspect
from hyperface_lib.runs import IdentityVectors


def hyperface(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


def faces(root: Path, broken: bool = False) -> Path:
    for name in ("Ann/1.png", "Ann/2.png", "Bo/1.png", "Bo/2.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 3, 4)).save(root / name)
    if broken:
        (root / "Bo" / "3.png").write_bytes(b"broken")
    return root


def test_convert_and_inspect_a_record_file(tmp_path: Path) -> None:
    output = hyperface("convert", faces(tmp_path / "faces"), tmp_path / "train.rec", "--json", tmp_path / "c.json")
    assert "4 images of 2 identities" in output
    assert json.loads((tmp_path / "c.json").read_text())["complete"] is True
    assert RecordReader(tmp_path / "train.rec").identities == {0: "Ann", 1: "Bo"}
    output = hyperface("inspect", tmp_path / "train.rec", "--json", tmp_path / "i.json")
    assert "record file" in output and "no problems found" in output
    record = json.loads((tmp_path / "i.json").read_text())
    assert record["facts"]["images"] == 4 and record["problems"] == []
    hyperface("convert", tmp_path / "train.rec", tmp_path / "flat.rec", "--layout", "flat", "--no-verify")
    assert RecordReader(tmp_path / "flat.rec").layout == "flat"


def test_unreadable_images_stop_or_are_listed(tmp_path: Path) -> None:
    source = faces(tmp_path / "faces", broken=True)
    output = hyperface("convert", source, tmp_path / "s", "--to", "shards", code=2)
    assert output.splitlines()[-1].startswith("hyperface: ") and "Bo/3.png" in output
    output = hyperface("convert", source, tmp_path / "s", "--to", "shards", "--skip-unreadable")
    assert "4 images of 2 identities" in output and "1 images were left out" in output


def test_problems_are_printed_and_unknown_files_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_bytes(b"\x0a\x23\xd7\xce\xff\x00\x00\x00abc")
    assert "a.rec, offset 0: a record of 255 bytes was expected" in " ".join(
        hyperface("inspect", tmp_path / "a.rec").split()
    )
    (tmp_path / "a.xyz").write_bytes(b"hello")
    assert hyperface("inspect", tmp_path / "a.xyz", code=2).startswith("hyperface: ")


class TestDescribers:
    def test_identity_vectors(self, tmp_path: Path) -> None:
        rows = 20 * np.eye(3, dtype=np.float32)
        path = IdentityVectors(rows, ["a", "b", "a"], "net", "0123", norm="raw").save(tmp_path / "v.safetensors")
        found = inspect(path, NETWORK_DESCRIBERS)
        assert [found.facts[name] for name in ("vectors", "dimension", "norm", "embedder")] == [3, 3, "raw", "net"]
        assert found.problems == ("1 ids are there more than once.",)
        path.write_bytes(path.read_bytes()[:-4])
        assert "v.safetensors: a safetensors file was expected, found" in inspect(path, NETWORK_DESCRIBERS).problems[0]

    def test_recognisers_and_other_tensors(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        torch.manual_seed(0)
        path = save_recogniser(tmp_path / "r.safetensors", create_backbone("small", dimension=32), torch.randn(7, 32))
        found = inspect(path, NETWORK_DESCRIBERS)
        assert [found.facts[name] for name in ("architecture", "dimension", "class_centers")] == ["small", 32, 7]
        assert found.problems == ()
        tensors = load_file(path)
        save_file(tensors, tmp_path / "t.safetensors")
        assert inspect(tmp_path / "t.safetensors", NETWORK_DESCRIBERS).facts["tensors"] == len(tensors)
        header = {"hyperface_recogniser": json.dumps({"architecture": "small", "dimension": 32, "image_size": 64})}
        tensors.pop(next(iter(tensors)))
        save_file(tensors, path, metadata=header)
        assert "missing" in inspect(path, NETWORK_DESCRIBERS).problems[0]

    def test_weights_of_others_are_named_and_attacks_do_not_run(self, tmp_path: Path) -> None:
        state = create_backbone("iresnet18", dimension=16).state_dict()
        torch.save(
            {"state_dict_backbone": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "m.pt"
        )
        found = inspect(tmp_path / "m.pt", NETWORK_DESCRIBERS)
        # An untrained network tells nobody apart, in neither order of colours.
        problems = [problem for problem in found.problems if "same person" not in problem]
        assert (found.facts["architecture"], found.facts["dimension"], problems) == ("iresnet18", 16, [])

        class Attack:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.system, (f"touch {tmp_path / 'owned'}",)

        for name in ("evil.pt", "evil.bin"):
            torch.save({"state_dict": Attack()}, tmp_path / name)
            assert "weights_only" in inspect(tmp_path / name, NETWORK_DESCRIBERS).problems[0]
        assert not (tmp_path / "owned").exists()

    def test_onnx_networks_and_packs(self, tmp_path: Path) -> None:
        onnx = pytest.importorskip("onnx")
        helper, float32 = onnx.helper, onnx.TensorProto.FLOAT

        def network(name: str, size: int, dimension: int, domain: str = "") -> None:
            image = helper.make_tensor_value_info("data", float32, ["None", 3, size, size])
            vector = helper.make_tensor_value_info("fc1", float32, ["None", dimension])
            nodes = [
                helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
                helper.make_node("Flatten", ["mean"], ["flat"]),
                helper.make_node("MatMul", ["flat", "w"], ["fc1"], domain=domain),
            ]
            values = np.random.default_rng(0).normal(size=3 * dimension).tolist()
            weight = helper.make_tensor("w", float32, [3, dimension], values)
            graph = helper.make_graph(nodes, "net", [image], [vector], [weight])
            opsets = [helper.make_opsetid("", 13), helper.make_opsetid("my.own", 1)][: 2 if domain else 1]
            model = helper.make_model(graph, producer_name="pytorch", opset_imports=opsets, ir_version=8)
            onnx.save(model, tmp_path / name)

        network("w600k.onnx", 112, 512)
        network("genderage.onnx", 96, 3, domain="my.own")
        found = inspect(tmp_path / "w600k.onnx", NETWORK_DESCRIBERS)
        assert found.facts["channel_order"] in ("RGB", "BGR", "undecided")
        assert found.facts["rendered_faces"].startswith("same person ") and found.facts["use"].endswith("w600k.onnx")
        assert all("same person" in problem for problem in found.problems)
        assert found.facts["input"] == "data ['None', 3, 112, 112]"
        assert (found.facts["recogniser"], found.facts["takes"]) == ("yes", "(pixel - 127.5) / 127.5")
        assert (found.facts["parameters"], found.facts["producer"]) == (1536, "pytorch")
        pack = inspect(tmp_path, NETWORK_DESCRIBERS)
        assert (pack.facts["networks"], pack.facts["recogniser"]) == (2, "w600k.onnx")
        assert any("my.own" in problem for problem in pack.problems)
        assert pack.facts["normalisation"] == "(pixel - 127.5) / 127.5"
        (tmp_path / "bad.onnx").write_bytes(b"not a network at all")
        assert (
            "bad.onnx: an ONNX network was expected, found"
            in inspect(tmp_path / "bad.onnx", NETWORK_DESCRIBERS).problems[0]
        )

    def test_cut_networks_are_problems_in_one_sentence(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        save_file(create_backbone("tiny").state_dict(), tmp_path / "a.safetensors")
        torch.save({"weight": torch.ones(50)}, tmp_path / "a.pt")
        for name in ("a.safetensors", "a.pt", "a.onnx"):
            whole = (
                (tmp_path / name).read_bytes() if name != "a.onnx" else b"\x08\x08\x12\x07pytorch:\xff\x01" + bytes(90)
            )
            for end in (0, 1, 9, len(whole) // 2, len(whole) - 1):
                (tmp_path / name).write_bytes(whole[:end])
                found = inspect(tmp_path / name, NETWORK_DESCRIBERS)
                assert len(found.problems) == 1, (name, end)
                assert all("expected, found" in problem and "\n" not in problem for problem in found.problems)
                assert name in found.problems[0]
