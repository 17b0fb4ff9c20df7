"""Images are the same images wherever they lie, and what cannot be trusted is refused by name."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import RecordWriter, read_image_folder
from hyperface_lib.synthesis.dataset_layouts import layout_named
from hyperface_lib.training import Recipe, as_image_rows, create_trainer, open_training_data
from hyperface_lib.training.data import ArrayRows, DecodedRows

IDENTITIES, SAMPLES = 70, 2  # more than one shard


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (IDENTITIES, SAMPLES, 32, 32, 3), dtype=np.uint8)


def stored(images: np.ndarray, layout: str, folder: Path) -> Path:
    files = layout_named(layout)
    for part in files.parts(len(images)):
        files.write(folder, part, images[part.start : part.stop])
    return folder


@pytest.fixture(scope="module")
def shards(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(images, "shards", tmp_path_factory.mktemp("shards"))


def record_files(images: np.ndarray, folder: Path) -> list[Path]:
    """Write the images as InsightFace does, labels 100, 110, ..., and flat in another order, there without an index."""
    indexed, flat = folder / "insightface" / "train.rec", folder / "flat.rec"
    labelled = [(image, 100 + 10 * person) for person, own in enumerate(images) for image in own]
    with RecordWriter(indexed) as writer:
        for image, label in labelled:
            writer.append(png(image), label)
    with RecordWriter(flat, "flat") as writer:
        for image, label in labelled[1::2] + labelled[::2]:
            writer.append(png(image), label)
    flat.with_suffix(".idx").unlink()
    return [indexed, indexed.parent]


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_folder_and_shards_hold_the_images_that_were_written(
    images: np.ndarray, shards: Path, tmp_path: Path, memory_bytes: int
) -> None:
    flat, labels = images.reshape(-1, 32, 32, 3), np.repeat(np.arange(IDENTITIES), SAMPLES)
    some = np.array([139, 0, 5, 5, 128])
    for folder in (shards, stored(images, "folder", tmp_path / "faces"), *record_files(images, tmp_path)):
        data = open_training_data(folder, memory_bytes=memory_bytes)
        assert data.images.in_memory == (memory_bytes > 0) and len(data.images) == len(flat)
        assert np.array_equal(data.labels, labels) and data.images.image_shape == (32, 32, 3)
        assert np.array_equal(data.images.rows(some), flat[some])
    assert len(open_training_data(shards / "shard-000001.tar").labels) == (IDENTITIES - 64) * SAMPLES


def test_labels_are_numbered_anew_and_names_are_kept(images: np.ndarray, tmp_path: Path) -> None:
    record_files(images, tmp_path)
    data = open_training_data(tmp_path / "flat.rec")
    assert data.identities[:2] == ("000100", "000110") and len(data.identities) == IDENTITIES
    assert np.array_equal(data.labels, np.repeat(np.arange(IDENTITIES), SAMPLES))
    # Odd images were written first, and the order among those of an identity is that of the file.
    assert np.array_equal(data.images.rows(np.array([0, 1])), images[0, [1, 0]])
    stored(images[:3], "folder", tmp_path / "faces")
    assert open_training_data(tmp_path / "faces").identities == ("000000", "000001", "000002")
    picture = png(images[0, 0])
    members = {"1.png": picture, "1.cls": b"9", "2.png": picture, "2.cls": b"-1", "3.png": picture, "3.cls": b"4"}
    unknown = open_training_data(tar_of(tmp_path / "u.tar", members))
    assert unknown.labels.tolist() == [-1, 0, 1] and unknown.identities == ("000004", "000009")
    with pytest.raises(ValueError, match=r"n\.tar, 1\.png: .*-1 for unknown was expected, found label -2"):
        open_training_data(tar_of(tmp_path / "n.tar", {"1.png": picture, "1.cls": b"-2"}))


def test_a_record_file_trains_as_the_folder_of_its_images(images: np.ndarray, tmp_path: Path) -> None:
    indexed, _ = record_files(images, tmp_path)
    recipe = Recipe(architecture="tiny", dimension=8, max_steps=2, batch_size=32, precision="float32")
    weights = []
    for source in (stored(images, "folder", tmp_path / "faces"), indexed):
        data = open_training_data(source, memory_bytes=0)
        trainer = create_trainer(data.images, data.labels, recipe, device="cpu")
        trainer.fit()
        weights.append(trainer.backbone.state_dict())
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_what_is_read_ahead_from_disk_trains_as_what_is_in_memory(
    images: np.ndarray, shards: Path, tmp_path: Path
) -> None:
    flat, labels = images.reshape(-1, 32, 32, 3), np.repeat(np.arange(IDENTITIES), SAMPLES)
    recipe = Recipe(architecture="tiny", dimension=8, max_steps=5, batch_size=32, precision="float32")
    np.save(tmp_path / "images.npy", flat)
    lazy = open_training_data(shards, memory_bytes=0)
    sources = [flat, np.load(tmp_path / "images.npy", mmap_mode="r"), lazy.images, list(flat)]
    curves, ahead = [], []
    for source in sources:
        trainer = create_trainer(source, labels, recipe, device="cpu")
        ahead.append(trainer.ahead)
        curves.append(trainer.fit().loss)
    assert all(curve == curves[0] for curve in curves) and ahead == [0, 0, 2, 2]


def test_any_sequence_will_do(images: np.ndarray, tmp_path: Path) -> None:
    flat = images.reshape(-1, 32, 32, 3)[:6]
    numbers = np.array([4, 1])
    records = [(png(image), 3) for image in flat]  # as readers of record files give them

    class Records:
        def __len__(self) -> int:
            return 6

        def __getitem__(self, number: int) -> tuple[bytes, int]:
            return records[number]

    folder = read_image_folder(stored(images[:3], "folder", tmp_path))
    for source in (Records(), [png(image) for image in flat], folder.images, as_image_rows(flat)):
        assert np.array_equal(as_image_rows(source).rows(numbers), flat[numbers])
    assert isinstance(as_image_rows(flat), ArrayRows)
    with pytest.raises(ValueError, match="found int"):
        as_image_rows(3)
    with pytest.raises(ValueError, match=r"images must be uint8 \(n, h, w, 3\), found float64"):
        as_image_rows(flat.astype(float))


def test_the_number_of_threads_changes_nothing(shards: Path) -> None:
    numbers = np.random.default_rng(1).permutation(140)
    one, four = (open_training_data(shards, 0, workers=count).images.rows(numbers) for count in (1, 4))
    assert np.array_equal(one, four)


def test_one_size_is_wanted() -> None:
    pictures = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)]
    rows = DecodedRows(2, lambda number: pictures[number])
    with pytest.raises(ValueError, match=r"aligned crops of one size .* image 1 is \(8, 9, 3\)"):
        rows.rows(np.array([0, 1]))
    with pytest.raises(ValueError, match="at least one image"):
        DecodedRows(0, lambda number: pictures[number])


def test_an_error_of_a_background_thread_reaches_the_run(images: np.ndarray, tmp_path: Path) -> None:
    folder = stored(images[:12], "folder", tmp_path)
    data = open_training_data(folder, memory_bytes=0)
    broken = sorted(folder.rglob("*.png"))[-1]
    broken.write_bytes(b"no image")
    recipe = Recipe(architecture="tiny", dimension=8, max_steps=3, batch_size=24, precision="float32")
    with pytest.raises(ValueError, match=str(broken)):
        create_trainer(data.images, data.labels, recipe, device="cpu").fit()


def test_shards_are_refused_by_name(tmp_path: Path) -> None:
    picture = png(np.zeros((8, 8, 3), np.uint8))
    bad: dict[str, tuple[dict[str, bytes], str]] = {
        "a": ({"1.png": picture}, r"a\.tar: expected a label <key>\.cls .* '1'"),
        "b": ({"1.png": picture, "1.cls": b"one"}, r"b\.tar, 1\.cls: expected an identity's number, found 'one'"),
        "c": ({"1.png": picture, "1.jpg": picture, "1.cls": b"1"}, r"c\.tar: expected one image a sample"),
        "d": ({"readme.txt": b"hello"}, "expected shards that hold images, found none"),
    }
    for name, (members, message) in bad.items():
        with pytest.raises(ValueError, match=message):
            open_training_data(tar_of(tmp_path / f"{name}.tar", members))
    with pytest.raises(ValueError, match=r"z\.tar: expected an uncompressed tar shard"):
        open_training_data(tar_of(tmp_path / "z.tar", {"1.png": picture, "1.cls": b"1"}, "w:gz"))
    link = tarfile.TarInfo("1.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "l.tar", "w") as archive:
        archive.addfile(link)
    with pytest.raises(ValueError, match=r"l\.tar: expected images and labels, found member '1\.png'"):
        open_training_data(tmp_path / "l.tar")
    with pytest.raises(FileNotFoundError, match="a record file, LMDB file, image folder or tar shard was expected"):
        open_training_data(tmp_path / "absent")
