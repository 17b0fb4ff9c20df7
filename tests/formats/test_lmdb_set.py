"""LMDB files: against files written by hand with the two packages, as the trainers of others write them."""

from __future__ import annotations

import io
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import LmdbSet, LmdbWriter, convert, decode_image, inspect, open_image_set
from hyperface_lib.training import open_training_data

lmdb = pytest.importorskip("lmdb", reason="install it with `pip install -e '.[formats]'`")
msgpack = pytest.importorskip("msgpack", reason="install it with `pip install -e '.[formats]'`")


def picture(value: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def feature(value: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.full(4, value, np.float32))
    return stream.getvalue()


def by_hand(path: Path, samples: list[Any], **others: Any) -> Path:
    """Write samples as the field's scripts do; `others` replaces or, by None, leaves out the three special entries."""
    special = {"__keys__": [str(k).encode() for k in range(len(samples))], "__len__": len(samples), "__classnum__": 2}
    with lmdb.open(str(path), subdir=False, map_size=1 << 24) as opened, opened.begin(write=True) as transaction:
        for number, sample in enumerate(samples):
            transaction.put(str(number).encode(), sample if isinstance(sample, bytes) else msgpack.packb(sample))
        for name, value in (special | others).items():
            if value is not None:
                transaction.put(name.encode(), msgpack.packb(value))
    return path


FACES = [(picture(k), feature(k), label) for k, label in enumerate([5, 2, 5, 2])]


def test_samples_with_and_without_features(tmp_path: Path) -> None:
    for number, samples in enumerate(
        [FACES, [(image, label) for image, _, label in FACES], [(*f, [1.0]) for f in FACES]]
    ):
        images = LmdbSet(by_hand(tmp_path / f"{number}.lmdb", samples))
        assert list(images) == [(image, label) for image, _, label in FACES]
        assert images.labels.tolist() == [5, 2, 5, 2] and images.classes == 2 and images.masked == 0
        assert images.where(3).endswith(f"{number}.lmdb, key 3")
        with pytest.raises(IndexError, match="4 images, asked for image 4"):
            images[4]


def test_as_an_image_set_it_is_ordered_by_label_and_trains(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "hsface.lmdb", FACES)
    images = open_image_set(path)
    assert images.kind == "lmdb" and images.labels.tolist() == [2, 2, 5, 5]
    assert [images.encoded(k) for k in range(4)] == [picture(k) for k in (1, 3, 0, 2)]
    data = open_training_data(path, memory_bytes=0)
    assert data.labels.tolist() == [0, 0, 1, 1] and data.identities == ("000002", "000005")
    assert np.array_equal(data.images.rows(np.array([2])), decode_image(picture(0))[None])


def test_many_readers_of_one_file(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.lmdb", FACES)
    first, second = LmdbSet(path), LmdbSet(path)
    sent = pickle.loads(pickle.dumps(first))
    del first
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: (second[k % 4], sent[k % 4]), range(400)))
    assert all(one == other == (FACES[k % 4][0], FACES[k % 4][2]) for k, (one, other) in enumerate(found))


def test_keys_may_be_text_or_only_counted(tmp_path: Path) -> None:
    for number, keys in enumerate([["0", "1", "2", "3"], None]):
        assert len(LmdbSet(by_hand(tmp_path / f"{number}.lmdb", FACES, __keys__=keys))) == 4


def test_a_mask_beside_the_file_says_which_images_count(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.lmdb", FACES)
    for mask in (np.array([3, 0, 3]), np.array([True, False, False, True])):
        np.save(tmp_path / "a_mask.npy", mask)
        images = LmdbSet(path)
        assert list(images) == [(picture(0), 5), (picture(3), 2)] and images.masked == 2
        assert inspect(path).facts["masked"] == 2
    for wrong in (np.array([4]), np.array([-1]), np.array([0.5]), np.array([], dtype=int), np.array([True])):
        np.save(tmp_path / "a_mask.npy", wrong)
        with pytest.raises(ValueError, match=r"a_mask\.npy: numbers of images 0 to 3 were expected, found others"):
            LmdbSet(path)


def test_what_the_writer_writes_is_read_by_hand(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        assert [writer.append(picture(k), k // 2) for k in range(3)] == [0, 1, 2]
        writer.append(picture(3), 1, np.arange(4))
    opened = lmdb.open(str(tmp_path / "a.lmdb"), subdir=False, readonly=True, lock=False)
    with opened.begin() as transaction:
        found = {bytes(key): msgpack.unpackb(value) for key, value in transaction.cursor()}
    opened.close()
    assert found[b"__keys__"] == [b"0", b"1", b"2", b"3"]
    assert (found[b"__len__"], found[b"__classnum__"], found[b"2"]) == (4, 2, [picture(2), 1])
    assert np.load(io.BytesIO(found[b"3"][1])).tolist() == [0, 1, 2, 3] and found[b"3"][2] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lmdb"]


def test_the_map_grows_with_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.formats.lmdb_writer._FIRST_SIZE", 1 << 16)
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        for number in range(600):
            writer.append(bytes([number % 256]) * 3000, number)
    images = LmdbSet(tmp_path / "a.lmdb")
    assert len(images) == 600 and images[599] == (bytes([599 % 256]) * 3000, 599)


def test_an_interrupted_writer_leaves_nothing_or_goes_on(tmp_path: Path) -> None:
    def write(resumable: bool, start: int, stop: int, fail: bool) -> None:
        with LmdbWriter(tmp_path / "a.lmdb", resumable) as writer:
            assert len(writer) == start
            for number in range(start, stop):
                writer.append(picture(number), number)
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(False, 0, 2, True)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write(True, 0, 3, True)
    assert not (tmp_path / "a.lmdb").exists()
    write(True, 3, 5, False)
    assert list(LmdbSet(tmp_path / "a.lmdb")) == [(picture(k), k) for k in range(5)]
    assert LmdbSet(tmp_path / "a.lmdb").classes == 5
    with pytest.raises(ValueError, match=r"b\.lmdb: images were expected, found none"), LmdbWriter(tmp_path / "b.lmdb"):
        pass


def test_conversions_there_and_back_keep_bytes_labels_and_names(tmp_path: Path) -> None:
    for name in ("Ann/1.png", "Ann/2.png", "Bo/1.png"):
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / name).write_bytes(picture(len(name)))
    assert convert(tmp_path / "faces", tmp_path / "a.lmdb").complete
    convert(tmp_path / "a.lmdb", tmp_path / "a.rec")
    convert(tmp_path / "a.rec", tmp_path / "back")
    sets = [open_image_set(tmp_path / name) for name in ("faces", "a.lmdb", "a.rec", "back")]
    for images in sets[1:]:
        assert images.paths == sets[0].paths and images.labels.tolist() == [0, 0, 1]
        assert [images.encoded(k) for k in range(3)] == [sets[0].encoded(k) for k in range(3)]
    found = inspect(tmp_path / "a.lmdb")
    assert found.facts["identities"] == 2 and found.facts["names"] == ["Ann", "Bo"]
    assert found.problems == ("1 of 2 identities have one image only.",)


@pytest.mark.parametrize(
    ("samples", "others", "words"),
    [
        ([FACES[0], (b"x",)], {}, "key 1: .image, label. or .* found tuple of bytes"),
        ([(picture(0), "five")], {}, "key 0: .* found tuple of bytes, str"),
        ([(picture(0), True)], {}, "key 0: .* found tuple of bytes, bool"),
        ([(picture(0), feature(0), None)], {}, "key 0: .* found tuple of bytes, bytes, NoneType"),
        ([(picture(0), 2**63)], {}, "key 0: .* was expected"),
        ([b"\xdd\xff\xff\xff\xff"], {}, "key 0: values packed by msgpack were expected, found 5 bytes"),
        ([b"\xc6\xff\xff\xff\xff"], {}, "key 0: values packed by msgpack were expected"),
        ([b"\x91" * 5000], {}, "key 0: values packed by msgpack were expected"),
        ([msgpack.packb((picture(0), msgpack.ExtType(5, b"x")))], {}, "key 0: values packed by msgpack were expected"),
        ([msgpack.packb({"image": 1})], {}, "key 0: values packed by msgpack were expected"),
        (FACES, {"__keys__": [b"0", b"9"], "__len__": 2}, "key 9: an image was expected, found none"),
        (FACES, {"__len__": 5}, "5 images were expected by __len__, found 4 keys"),
        (FACES, {"__keys__": None, "__len__": None}, "a list of keys was expected under __keys__, found NoneType"),
        (FACES, {"__keys__": None, "__len__": 10**15}, "images were expected by __len__"),
        (FACES, {"__keys__": [1, 2]}, "a list of keys was expected under __keys__, found tuple of int, int"),
        ([], {}, "0 images were expected by __len__, found 0 keys"),
    ],
)
def test_other_contents_are_refused_by_name(
    tmp_path: Path, samples: list[Any], others: dict[str, Any], words: str
) -> None:
    path = by_hand(tmp_path / "a.lmdb", samples, **others)
    with pytest.raises(ValueError, match=rf"a\.lmdb.*{words}") as error:
        open_image_set(path)
    assert "\n" not in str(error.value)
    assert inspect(path).problems == (str(error.value),)


def test_a_file_cut_anywhere_is_refused_before_it_is_mapped(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.lmdb", FACES)
    whole = path.read_bytes()
    pages = len(whole) // 4096
    for end in [0, 1, 20, 150, 4095, 4096, 4200, 8191, 8192, *(4096 * page - 1 for page in range(3, pages))]:
        (tmp_path / "cut.lmdb").write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"cut\.lmdb: an LMDB file .*was expected, found") as error:
            LmdbSet(tmp_path / "cut.lmdb")
        assert "\n" not in str(error.value)
    for content in (b"hello" * 5000, b"\0" * 20_000):
        (tmp_path / "cut.lmdb").write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.lmdb: an LMDB file was expected, found bytes"):
            LmdbSet(tmp_path / "cut.lmdb")
    with pytest.raises(FileNotFoundError, match=r"no\.lmdb"):
        LmdbSet(tmp_path / "no.lmdb")
    (tmp_path / "folder.lmdb").mkdir()
    with pytest.raises(FileNotFoundError, match="an LMDB file was expected, found nothing there"):
        LmdbSet(tmp_path / "folder.lmdb")


def test_without_the_packages_the_command_that_installs_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = by_hand(tmp_path / "a.lmdb", FACES)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    for call in (lambda: LmdbSet(path), lambda: LmdbWriter(tmp_path / "b.lmdb")):
        with pytest.raises(ImportError, match=r"lmdb: .* found no lmdb: install them with `pip install .*\[formats\]"):
            call()
