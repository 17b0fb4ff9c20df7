"""A cleaned data set holds the same bytes but those that leak, whatever the layout and whenever it is interrupted."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperface_lib.evaluation import DropIdentities, DropImages, Leaks, exclude_leaks, kept_images
from hyperface_lib.evaluation.exclusion_policies import KEPT, LEAK, SAME_IDENTITY, TOO_FEW_LEFT
from hyperface_lib.formats import RecordWriter, convert, open_image_set
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis import generate_dataset, read_dataset
from hyperface_lib.training.data import open_training_data


@dataclass(frozen=True)
class Embedder:
    name: str = "pixels"
    dimension: int = 3
    image_size: int = 8
    fingerprint: str = "0123456789abcdef"


EMBEDDER: Any = Embedder()


def picture(value: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 255 - value, 90)).save(stream, format=kind)
    return stream.getvalue()


# as they lie in a folder: 5 identities with 3, 3, 2, 1 and 3 images
NAMES = [
    *("ann/a.png", "ann/b.png", "ann/c.jpg"),
    *("bo/1.png", "bo/2.png", "bo/3.png"),
    *("cy/x.png", "cy/y.png"),
    "di/only.png",
    *("ed/deep/a.png", "ed/deep/b.png", "ed/z.png"),
]


def faces(root: Path) -> Path:
    for number, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number, "JPEG" if name.endswith("jpg") else "PNG"))
    return root


def leaks_of(*rows: int, images: int = len(NAMES), threshold: float = 0.5) -> Leaks:
    nearest = np.zeros(images, np.float32)
    nearest[list(rows)] = 0.8
    found = np.array(rows, np.int64)
    return Leaks(found, found + 100, nearest[found], nearest, threshold)


def note(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "exclusion.json").read_text())
    return values


def contents(folder: Path) -> list[tuple[int, bytes]]:
    images = open_image_set(folder)
    return [(int(images.labels[number]), images.encoded(number)) for number in range(len(images))]


def tree(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# image 1 of ann, two of bo's, one of cy's
GONE = leaks_of(1, 3, 5, 6)
LEFT = [(0, picture(0)), (0, picture(2, "JPEG")), (1, picture(8)), (2, picture(9)), (2, picture(10)), (2, picture(11))]


@pytest.mark.parametrize("layout", ["folder", "shards"])
@pytest.mark.parametrize("source", ["folder", "shards", "records"])
def test_what_is_left_comes_back_with_labels_from_0(tmp_path: Path, source: str, layout: Any) -> None:
    place = faces(tmp_path / "faces")
    if source != "folder":
        place = tmp_path / ("set.rec" if source == "records" else "set")
        convert(tmp_path / "faces", place, to=source)  # type: ignore[arg-type]
    done = exclude_leaks(place, GONE, tmp_path / "out", EMBEDDER, DropImages(2), layout)
    assert contents(tmp_path / "out") == LEFT
    assert (done.kept_images, done.kept_identities, done.images, done.identities) == (6, 3, 12, 5)
    assert done.reasons == {LEAK: 4, TOO_FEW_LEFT: 2}
    # bo and cy had one image left; di never had more than its one, of which nothing leaks
    assert (done.dropped_identities, done.left_over_identities) == (2, 2)
    images = open_image_set(tmp_path / "out")
    assert images.kind == layout and images.identities == {0: "ann", 1: "di", 2: "ed"}
    # a trainer, which reads no list, sees the same labels
    assert open_training_data(tmp_path / "out").labels.tolist() == [label for label, _ in LEFT]


def test_the_record_says_what_went_and_why(tmp_path: Path) -> None:
    exclude_leaks(
        faces(tmp_path / "faces"), GONE, tmp_path / "out", EMBEDDER, DropImages(2), compared_with="gallery.safetensors"
    )
    values = note(tmp_path / "out")
    assert (
        values["complete"] and values["embedder"] == "pixels" and values["embedder_fingerprint"] == "0123456789abcdef"
    )
    assert values["compared_with"] == "gallery.safetensors" and values["policy"] == {
        "drop": "images",
        "minimum_images": 2,
    }
    assert values["threshold_degrees"] == pytest.approx(60) and values["threshold_cosine"] == 0.5
    assert values["labels"] == {
        "0": {"label": 0, "name": "ann"},
        "1": {"label": 3, "name": "di"},
        "2": {"label": 4, "name": "ed"},
    }
    assert [(one["image"], one["reason"], one["compared_row"]) for one in values["excluded"]] == [
        ("ann/b.png", LEAK, 101),
        ("bo/1.png", LEAK, 103),
        ("bo/2.png", TOO_FEW_LEFT, None),
        ("bo/3.png", LEAK, 105),
        ("cy/x.png", LEAK, 106),
        ("cy/y.png", TOO_FEW_LEFT, None),
    ]
    assert values["excluded"][0]["angle_degrees"] == pytest.approx(np.degrees(np.arccos(0.8)), abs=1e-4)
    assert set(tree(tmp_path / "out")) == {
        *(NAMES[number] for number in (0, 2, 8, 9, 10, 11)),
        "images.tsv",
        "exclusion.json",
    }


@settings(max_examples=60)
@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=40).map(sorted),
    picks=st.sets(st.integers(0, 39)),
    minimum=st.integers(1, 4),
)
def test_policies_decide_as_they_say(labels: list[int], picks: set[int], minimum: int) -> None:
    ids = np.array(labels)
    leaking = np.isin(np.arange(len(ids)), list(picks))
    images, identities = DropImages(minimum).reasons(ids, leaking), DropIdentities(minimum).reasons(ids, leaking)
    for row, label in enumerate(labels):
        own = ids == label
        stays = int((own & ~leaking).sum())
        few = leaking[own].any() and stays < minimum
        assert images[row] == (LEAK if leaking[row] else TOO_FEW_LEFT if few else KEPT)
        whole = leaking[own].sum() >= minimum
        assert identities[row] == (LEAK if leaking[row] else SAME_IDENTITY if whole else KEPT)


def test_whole_identities_go_with_one_leak(tmp_path: Path) -> None:
    done = exclude_leaks(faces(tmp_path / "faces"), leaks_of(4, 11), tmp_path / "out", EMBEDDER, DropIdentities())
    assert open_image_set(tmp_path / "out").identities == {0: "ann", 1: "cy", 2: "di"}
    assert done.reasons == {LEAK: 2, SAME_IDENTITY: 4} and done.left_over_identities == 0


class BrokenOffError(Exception):
    pass


@pytest.mark.parametrize("layout", ["folder", "shards"])
@pytest.mark.parametrize("after", range(7))
def test_an_interrupt_leaves_whole_files_and_the_same_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Any, after: int
) -> None:
    monkeypatch.setattr(kept_images, "IDENTITIES_PER_SHARD", 1)
    source = faces(tmp_path / "faces")
    arguments = (GONE, tmp_path / "out", EMBEDDER, DropImages(2), layout)
    whole = exclude_leaks(source, GONE, tmp_path / "whole", EMBEDDER, DropImages(2), layout)
    read, calls = kept_images.image_suffix, []

    def fail(encoded: bytes) -> str | None:
        calls.append(encoded)
        if len(calls) > after:
            raise BrokenOffError
        return read(encoded)

    monkeypatch.setattr(kept_images, "image_suffix", fail)
    if after < 6:
        with pytest.raises(BrokenOffError):
            exclude_leaks(source, *arguments)
        for name, content in tree(tmp_path / "out").items():
            if name != "exclusion.json":
                assert content == (tmp_path / "whole" / name).read_bytes()
        assert not note(tmp_path / "out")["complete"]
    monkeypatch.setattr(kept_images, "image_suffix", read)
    assert exclude_leaks(source, *arguments) == whole
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_a_disk_that_fills_up_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Any
) -> None:
    source = faces(tmp_path / "faces")
    exclude_leaks(source, GONE, tmp_path / "whole", EMBEDDER, DropImages(2), layout)
    written: list[int] = []

    def half(path: Path, content: bytes) -> int:
        written.append(len(content))
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        if len(written) == 3:
            raise OSError("No space left on device")
        with path.open("wb") as file:
            return file.write(content)

    def full(archive: tarfile.TarFile, entry: tarfile.TarInfo, content: Any = None) -> None:
        written.append(entry.size)
        if len(written) == 3:
            raise OSError("No space left on device")
        add(archive, entry, content)

    add = tarfile.TarFile.addfile
    monkeypatch.setattr(Path, "write_bytes", half)
    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(OSError, match="No space left"):
        exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2), layout)
    found = tree(tmp_path / "out")
    assert found.pop("exclusion.json") != (tmp_path / "whole" / "exclusion.json").read_bytes()
    assert len(found) == (2 if layout == "folder" else 0)
    assert all(content == (tmp_path / "whole" / name).read_bytes() for name, content in found.items())
    monkeypatch.undo()
    exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2), layout)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_what_a_killed_process_left_is_cleared_and_what_is_done_is_not_written_again(tmp_path: Path) -> None:
    source = faces(tmp_path / "faces")
    exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2))
    before = tree(tmp_path / "out")
    state = note(tmp_path / "out") | {"complete": False}
    (tmp_path / "out" / "exclusion.json").write_text(json.dumps(state))
    (tmp_path / "out" / "ed" / ".z.partial-0011.png").write_bytes(b"half")
    (tmp_path / "out" / "ed" / "z.png").unlink()
    exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2))
    assert tree(tmp_path / "out") == before
    shutil.rmtree(source / "bo")  # other images now: the finished folder is theirs no more
    with pytest.raises(ValueError, match="leaks are those of 12 images"):
        exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2))


def test_another_threshold_policy_or_layout_wants_another_folder(tmp_path: Path) -> None:
    source = faces(tmp_path / "faces")
    exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, DropImages(2))
    for leaks, policy, layout, named in (
        (leaks_of(1, 3, 5, 6, threshold=0.6), DropImages(2), None, "threshold_cosine"),
        (GONE, DropImages(1), None, "policy"),
        (GONE, DropImages(2), "shards", "layout"),
        (leaks_of(1), DropImages(2), None, "excluded_sum"),
    ):
        with pytest.raises(ValueError, match=named):
            exclude_leaks(source, leaks, tmp_path / "out", EMBEDDER, policy, layout)  # type: ignore[arg-type]


def test_places_and_leaks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = faces(tmp_path / "faces")
    with pytest.raises(ValueError, match="outside the data set"):
        exclude_leaks(source, GONE, source / "clean", EMBEDDER)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("precious")
    with pytest.raises(ValueError, match=r"found thesis\.doc"):
        exclude_leaks(source, GONE, tmp_path / "other", EMBEDDER)
    with pytest.raises(ValueError, match="none would be left"):
        exclude_leaks(source, leaks_of(*range(12)), tmp_path / "none", EMBEDDER)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="folder, shards"):
        exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER, layout="records")  # type: ignore[arg-type]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "exclusion.json").write_text("[]")
    with pytest.raises(ValueError, match="to describe an exclusion"):
        exclude_leaks(source, GONE, tmp_path / "out", EMBEDDER)
    with pytest.raises(ValueError, match="minimum_images"):
        DropImages(0)
    with pytest.raises(ValueError, match="minimum_leaks"):
        DropIdentities(0)


def test_bytes_that_are_no_image_are_named(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "set.rec") as writer:
        writer.append(picture(1), 0)
        writer.append(b"no picture at all", 1)
    with pytest.raises(ValueError, match=r"key 2 .* b'no pictu'"):
        exclude_leaks(tmp_path / "set.rec", leaks_of(images=2), tmp_path / "out", EMBEDDER)


class Painter:
    """A stand-in for a generator: every image one colour, that of its seed."""

    name, fingerprint, embedder_name, embedder_fingerprint = "painter", "ff", "axes", "ee"
    image_size, dimension = 8, 6

    def sample(self, vectors: Any, seeds: Any, **_: Any) -> np.ndarray:
        colours = [np.random.default_rng(int(seed)).integers(0, 256, 3) for seed in seeds]
        return np.broadcast_to(np.array(colours, np.uint8)[:, None, None], (len(colours), 8, 8, 3)).copy()


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_a_generated_data_set_stays_one_when_its_identities_stay_whole(tmp_path: Path, layout: Any) -> None:
    references = IdentityVectors(np.eye(6, dtype=np.float32), [f"id {n}" for n in range(6)], "axes", "ee")
    generate_dataset(references, Painter(), tmp_path / "set", images_per_identity=3, layout=layout)  # type: ignore[arg-type]
    images, _, before = read_dataset(tmp_path / "set")
    exclude_leaks(tmp_path / "set", leaks_of(4, 5, 17, images=18), tmp_path / "out", EMBEDDER, DropIdentities())
    left, labels, manifest = read_dataset(tmp_path / "out")
    kept = np.flatnonzero(~np.isin(np.arange(18) // 3, [1, 5]))
    assert np.array_equal(left, images[kept]) and labels.tolist() == np.repeat(range(4), 3).tolist()
    assert manifest["ids"] == ["id 0", "id 2", "id 3", "id 4"] and manifest["images"] == 12
    assert manifest["cleaned"]["threshold_cosine"] == 0.5 and manifest["cleaned"]["kept_identities"] == 4
    assert {**manifest["parameters"], "identities": 6} == before["parameters"]
    assert note(tmp_path / "out")["labels"]["1"] == {"label": 2, "name": "000002"}


def test_a_generated_data_set_with_gaps_has_labels_from_0_and_no_manifest_that_promises_more(tmp_path: Path) -> None:
    references = IdentityVectors(np.eye(6, dtype=np.float32), range(6), "axes", "ee")
    generate_dataset(references, Painter(), tmp_path / "set", images_per_identity=3)  # type: ignore[arg-type]
    leaks = leaks_of(0, 3, 4, images=18)
    exclude_leaks(tmp_path / "set", leaks, tmp_path / "out", EMBEDDER, DropImages(2))
    assert not (tmp_path / "out" / "manifest.json").exists()
    images = open_image_set(tmp_path / "out")
    assert images.identities == {number: f"{number:06d}" for number in range(5)}
    assert images.labels.tolist() == [0, 0, *np.repeat(range(1, 5), 3)]
    assert images.paths is not None and images.paths[:2] == ("000000/000.png", "000000/001.png")


def test_a_manifest_of_other_images_is_refused(tmp_path: Path) -> None:
    references = IdentityVectors(np.eye(6, dtype=np.float32), range(6), "axes", "ee")
    generate_dataset(references, Painter(), tmp_path / "set", images_per_identity=3)  # type: ignore[arg-type]
    shutil.rmtree(tmp_path / "set" / "000002")
    with pytest.raises(ValueError, match="6 identities of 3 images, found 15"):
        exclude_leaks(tmp_path / "set", leaks_of(0, images=15), tmp_path / "out", EMBEDDER)
