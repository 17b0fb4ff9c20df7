"""Data sets: the same call makes the same files, however often it was interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis import ReferenceGenerator, dataset_layouts, generate_dataset, image_seed, read_dataset
from hyperface_lib.synthesis.picture_formats import PictureFormat, picture_format_named

from .conftest import DESCRIPTION, unit_rows

OPTIONS = {"images_per_identity": 3, "steps": 2, "seed": 4}


class BreakingGenerator:
    """Draws as the generator does, and is interrupted after so many calls."""

    def __init__(self, generator: ReferenceGenerator, calls: int) -> None:
        self.generator, self.calls = generator, calls

    def __getattr__(self, name: str) -> object:
        return getattr(self.generator, name)

    def sample(self, *arguments: object, **options: object) -> np.ndarray:
        if not self.calls:
            raise KeyboardInterrupt
        self.calls -= 1
        return self.generator.sample(*arguments, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several groups and shards even for five identities."""
    monkeypatch.setattr("hyperface_lib.synthesis.dataset._IMAGES_AT_ONCE", 4)
    monkeypatch.setattr(dataset_layouts, "IDENTITIES_PER_SHARD", 2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_round_trip(generator, references: IdentityVectors, tmp_path: Path, layout: str) -> None:
    manifest = generate_dataset(references, generator, tmp_path / "set", layout=layout, **OPTIONS)
    images, labels, read = read_dataset(tmp_path / "set")
    assert read == json.loads(json.dumps(manifest))
    assert read["images"] == len(images) == 15
    assert labels.tolist() == np.repeat(np.arange(5), 3).tolist()
    assert read["parameters"]["embedder_fingerprint"] == DESCRIPTION["embedder_fingerprint"]
    assert read["ids"] == list(references.ids)


def test_an_image_can_be_made_again_alone(generator, references: IdentityVectors, tmp_path: Path) -> None:
    generate_dataset(references, generator, tmp_path / "set", beta=0.0, **OPTIONS)
    images, _, _ = read_dataset(tmp_path / "set")
    alone = generator.sample(references.vectors[3], [image_seed(4, 3, 1)], steps=2)
    assert np.array_equal(images[3 * 3 + 1], alone[0])


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_interrupted_and_resumed_it_is_the_same_to_the_byte(
    generator, references: IdentityVectors, tmp_path: Path, layout: str
) -> None:
    generate_dataset(references, generator, tmp_path / "straight", layout=layout, **OPTIONS)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        generate_dataset(references, BreakingGenerator(generator, 1), broken, layout=layout, **OPTIONS)
    assert not (broken / "manifest.json").exists()
    assert len(contents(broken)) > 1
    with pytest.raises(FileNotFoundError, match="manifest"):
        read_dataset(broken)
    counting = BreakingGenerator(generator, 100)
    generate_dataset(references, counting, broken, layout=layout, **OPTIONS)
    assert contents(broken) == contents(tmp_path / "straight")
    drawn = 100 - counting.calls
    generate_dataset(references, counting, broken, layout=layout, **OPTIONS)
    assert 100 - counting.calls == drawn, "what is there must not be drawn again"


def test_an_interrupt_while_writing_leaves_no_half_identity(
    generator, references: IdentityVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, left = PictureFormat.encode, [4]

    def failing(self: PictureFormat, image: np.ndarray) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise OSError("no space left on device")
        return encode(self, image)

    monkeypatch.setattr(PictureFormat, "encode", failing)
    with pytest.raises(OSError, match="no space"):
        generate_dataset(references, generator, tmp_path / "set", **OPTIONS)
    assert sorted(entry.name for entry in (tmp_path / "set").iterdir()) == ["000000", "parameters.json"]


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_a_data_set_of_webp_is_what_the_format_makes_of_the_pictures(
    generator, references: IdentityVectors, tmp_path: Path, layout: str
) -> None:
    images = {}
    for name in ("png", "webp"):
        generate_dataset(references, generator, tmp_path / name, layout=layout, picture_format=name, **OPTIONS)
        images[name], _, manifest = read_dataset(tmp_path / name)
        assert manifest["parameters"]["picture_format"] == name
    webp = picture_format_named("webp")
    assert np.array_equal(images["webp"], [webp.decode(webp.encode(one), tmp_path) for one in images["png"]])
    with pytest.raises(ValueError, match="picture_format: expected one of png, webp, found 'gif'"):
        generate_dataset(references, generator, tmp_path / "gif", layout=layout, picture_format="gif", **OPTIONS)
    assert not (tmp_path / "gif").exists()


def test_machines_share_the_identities(generator, references: IdentityVectors, tmp_path: Path) -> None:
    generate_dataset(references, generator, tmp_path / "one", **OPTIONS)
    shared = tmp_path / "many"
    assert generate_dataset(references, generator, shared, identities=range(3, 5), **OPTIONS) is None
    assert generate_dataset(references, generator, shared, identities=range(0, 3), **OPTIONS) is not None
    assert contents(shared) == contents(tmp_path / "one")


def test_beta_and_seed_change_the_images(generator, references: IdentityVectors, tmp_path: Path) -> None:
    found = []
    for name, changes in {"a": {}, "b": {"beta": 0.3}, "c": {"seed": 5}}.items():
        generate_dataset(references, generator, tmp_path / name, **{**OPTIONS, **changes})
        found.append(read_dataset(tmp_path / name)[0])
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_another_embedder_is_refused_naming_both(generator, references: IdentityVectors, tmp_path: Path) -> None:
    foreign = replace(references, embedder="dlib", fingerprint="feedfeedfeedfeed")
    with pytest.raises(ValueError, match=r"'dlib'.*'toy'"):
        generate_dataset(foreign, generator, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_folder_of_other_parameters_or_foreign_files_is_refused(
    generator, references: IdentityVectors, tmp_path: Path
) -> None:
    generate_dataset(references, generator, tmp_path / "set", **OPTIONS)
    with pytest.raises(ValueError, match=r"beta 0.02, now 0.1"):
        generate_dataset(references, generator, tmp_path / "set", beta=0.1, **OPTIONS)
    with pytest.raises(ValueError, match="references"):
        generate_dataset(replace(references, vectors=unit_rows(5, seed=9)), generator, tmp_path / "set", **OPTIONS)
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "mine.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"mine\.jpg"):
        generate_dataset(references, generator, tmp_path / "photographs", **OPTIONS)


@pytest.mark.parametrize("layout", ["folder", "shards"])
@pytest.mark.parametrize("what", ["changed", "missing"])
def test_tampering_is_noticed(generator, references: IdentityVectors, tmp_path: Path, layout: str, what: str) -> None:
    folder = tmp_path / "set"
    generate_dataset(references, generator, folder, layout=layout, **OPTIONS)
    victim = folder / ("000001/002.png" if layout == "folder" else "shard-000001.tar")
    if what == "missing":
        victim.unlink()
    elif layout == "folder":
        victim.write_bytes((folder / "000002" / "000.png").read_bytes())
    else:
        victim.write_bytes((folder / "shard-000000.tar").read_bytes())
    with pytest.raises((ValueError, FileNotFoundError), match="000001"):
        read_dataset(folder)


def test_a_manifest_that_lies_is_noticed(generator, references: IdentityVectors, tmp_path: Path) -> None:
    generate_dataset(references, generator, tmp_path / "set", **OPTIONS)
    manifest = tmp_path / "set" / "manifest.json"
    good = json.loads(manifest.read_text())
    for change in ({"format": "other"}, {"parameters": {}}, {"files": {}}):
        manifest.write_text(json.dumps({**good, **change}))
        with pytest.raises(ValueError, match=r"manifest\.json"):
            read_dataset(tmp_path / "set")


def test_webdataset_reads_the_shards(generator, references: IdentityVectors, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="pip install webdataset")
    generate_dataset(references, generator, tmp_path / "set", layout="shards", **OPTIONS)
    images, labels, _ = read_dataset(tmp_path / "set")
    shards = [str(file) for file in sorted((tmp_path / "set").glob("*.tar"))]
    stream = webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8").to_tuple("png", "cls")
    read = list(stream)
    assert [int(label) for _, label in read] == labels.tolist()
    assert np.array_equal(np.stack([image for image, _ in read]), images)


def test_one_nuisance_for_all_and_one_a_sample(generator, references: IdentityVectors, tmp_path: Path) -> None:
    class Picture:
        def __init__(self, yaw: float) -> None:
            self.yaw = yaw

        def to_vector(self) -> np.ndarray:
            return np.array([self.yaw, 0, 40, 3, 0.5], np.float32)

    pictures = [Picture(-40), Picture(0), Picture(40)]
    generate_dataset(references, generator, tmp_path / "set", nuisance=pictures, beta=0.0, **OPTIONS)
    images, _, _ = read_dataset(tmp_path / "set")
    alone = generator.sample(references.vectors[2], [image_seed(4, 2, 2)], pictures[2], steps=2)
    assert np.array_equal(images[2 * 3 + 2], alone[0])
    with pytest.raises(ValueError, match="3 samples"):
        generate_dataset(references, generator, tmp_path / "other", nuisance=pictures[:2], **OPTIONS)
