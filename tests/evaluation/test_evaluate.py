"""Suites, their cache and the evaluator, on stand-ins for the renderer and for networks."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.evaluation import (
    Suite,
    bootstrap_verification,
    embed_with_mirror,
    evaluate,
    load_suite,
    rendered_cache,
    score_pairs,
)
from hyperface_lib.formats import ImageFiles, PairSet, write_verification_bin

FIVE = ("rendered-lfw", "rendered-cplfw", "rendered-agedb", "rendered-calfw", "rendered-cfp-fp")


def coloured_pairs(pairs: int = 40, size: int = 8, name: str = "colours", noise: int = 0) -> PairSet:
    """Make people who are colours: image k of every pair of one person has that person's colour."""
    rng = np.random.default_rng(0)
    same = np.arange(pairs) % 2 == 0
    first = rng.integers(0, 256, (pairs, 3))
    second = np.where(same[:, None], first, 255 - first)
    flat = np.stack([first, second], axis=1).reshape(2 * pairs, 1, 1, 3)
    images = np.broadcast_to(flat, (2 * pairs, size, size, 3)) + rng.integers(
        -noise, noise + 1, (2 * pairs, size, size, 3)
    )
    numbers = np.arange(2 * pairs).reshape(-1, 2)
    images = np.clip(images, 0, 255).astype(np.uint8)
    return PairSet(name, images, numbers[:, 0], numbers[:, 1], same, provenance={"seed": 0})


@dataclass
class ColourEmbedder:
    """Tell images apart by their mean colour."""

    image_size: int = 64
    name: str = "colour"
    dimension: int = 3
    fingerprint: str = "0" * 16
    embedded: int = 0

    def embed_raw(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        assert images.shape[1:] == (self.image_size, self.image_size, 3) and images.dtype == np.uint8
        self.embedded += len(images)
        return (images.mean(axis=(1, 2)) - 127.5).astype(np.float32)

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        raw = self.embed_raw(images)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """Put a stand-in where the rendered-face world is, and an empty cache; `calls` lists what was rendered."""
    calls: list[tuple[str, int, int]] = []

    def rendered_benchmark(
        name: str, pairs: int = 6000, size: int = 64, workers: int | None = None, progress: bool = False
    ) -> PairSet:
        calls.append((name, pairs, size))
        return coloured_pairs(pairs, size=4, name=name)

    faces = ModuleType("hyperface_lib.faces")
    vars(faces).update(
        BENCHMARKS=FIVE,
        FACTOR_SETS=("rendered-light",),
        RENDERER_VERSION=1,
        BENCHMARK_VERSION=1,
        rendered_benchmark=rendered_benchmark,
    )
    import hyperface_lib

    monkeypatch.setitem(sys.modules, "hyperface_lib.faces", faces)
    monkeypatch.setattr(hyperface_lib, "faces", faces, raising=False)
    monkeypatch.setenv("HYPERFACE_CACHE", str(tmp_path / "cache"))
    return SimpleNamespace(calls=calls, faces=faces, folder=tmp_path / "cache" / "benchmarks")


def same_content(first: PairSet, second: PairSet) -> bool:
    arrays = ("images", "first", "second", "is_same", "folds")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in arrays) and (
        (first.name, first.aligned, first.provenance) == (second.name, second.aligned, second.provenance)
    )


def test_a_pair_set_comes_back_from_the_cache_as_it_was(tmp_path: Path) -> None:
    pair_set = coloured_pairs(noise=20)
    rendered_cache.write_cached(tmp_path / "deep" / "a.safetensors", pair_set)
    assert same_content(rendered_cache.read_cached(tmp_path / "deep" / "a.safetensors"), pair_set)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("where", [0.0, 0.02, 0.5, 0.999])
def test_a_flipped_byte_anywhere_is_noticed(tmp_path: Path, where: float) -> None:
    path = tmp_path / "a.safetensors"
    rendered_cache.write_cached(path, coloured_pairs(noise=20))
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(rendered_cache.CacheError, match=r"a\.safetensors"):
        rendered_cache.read_cached(path)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(rendered_cache, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        rendered_cache.write_cached(tmp_path / "a.safetensors", coloured_pairs())
    assert list(tmp_path.iterdir()) == []


def test_a_rendered_set_is_rendered_once_and_again_when_damaged_or_of_another_version(
    renderer: SimpleNamespace,
) -> None:
    suite = load_suite("rendered-lfw", pairs=60)
    assert renderer.calls == []  # nothing is rendered before it is loaded
    first = suite.load("rendered-lfw", size=64)
    assert same_content(suite.load("rendered-lfw", size=64), first) and len(renderer.calls) == 1
    (file,) = renderer.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert same_content(suite.load("rendered-lfw", size=64), first) and len(renderer.calls) == 2
    assert same_content(suite.load("rendered-lfw", size=64), first) and len(renderer.calls) == 2
    suite.load("rendered-lfw", size=112)
    load_suite("rendered-lfw", pairs=80).load("rendered-lfw", size=64)
    assert renderer.calls[2:] == [("rendered-lfw", 60, 112), ("rendered-lfw", 80, 64)]
    renderer.faces.RENDERER_VERSION = 2
    suite.load("rendered-lfw", size=64)
    renderer.faces.BENCHMARK_VERSION = 2
    suite.load("rendered-lfw", size=64)
    assert len(renderer.calls) == 6 and len(list(renderer.folder.iterdir())) == 5


def test_suites_hold_what_their_name_says(renderer: SimpleNamespace) -> None:
    assert load_suite("rendered").sets == FIVE and load_suite("rendered-factors").sets == ("rendered-light",)
    assert load_suite("rendered-light").sets == ("rendered-light",) and len(load_suite("rendered")) == 5
    for name in FIVE:
        load_suite("rendered").load(name, size=64)
        load_suite("rendered", pairs=600).load(name, size=64)
    asked = {(name, pairs) for name, pairs, _ in renderer.calls}
    assert asked == {(name, 7000 if name == "rendered-cfp-fp" else 6000) for name in FIVE} | {(n, 600) for n in FIVE}


@pytest.mark.parametrize("spec", ["nothing", "ijbs:/tmp", "rendered:lfw", ""])
def test_a_suite_there_is_not_is_refused_listing_those_there_are(renderer: SimpleNamespace, spec: str) -> None:
    with pytest.raises(ValueError, match=r"rendered-factors.*rendered-lfw.*pairs:FOLDER") as error:
        load_suite(spec)
    assert repr(spec) in str(error.value) and "\n" not in str(error.value)


def test_wrong_sizes_names_and_counts_are_refused(renderer: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 or 112"):
        load_suite("rendered").load("rendered-lfw", size=128)
    with pytest.raises(ValueError, match="no set 'lfw'"):
        load_suite("rendered").load("lfw")
    for pairs in (40, 61, 0):
        with pytest.raises(ValueError, match=f"multiple of 20 pairs, at least 60.*{pairs}"):
            load_suite("rendered", pairs=pairs)
    with pytest.raises(FileNotFoundError):
        load_suite(f"pairs:{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="different names"):
        Suite.of(coloured_pairs(), coloured_pairs())


def test_a_perfect_embedder_scores_every_set_with_one_row(renderer: SimpleNamespace) -> None:
    table = evaluate(ColourEmbedder(), load_suite("rendered", pairs=60))
    assert [row.set for row in table] == list(FIVE)
    assert all((row.accuracy, row.pairs, row.skipped, row.protocol) == (1.0, 60, 0, "10-fold") for row in table)
    assert {row.model for row in table} == {"colour"} and {row.suite for row in table} == {"rendered"}
    assert table.average == {"colour": 1.0}
    assert {size for _, _, size in renderer.calls} == {64}
    scores = table.scores["colour", "rendered-lfw"]
    assert scores.verify().accuracy == 1.0 and scores.pair_numbers.tolist() == list(range(60))


def test_crops_are_rendered_at_the_embedders_size_or_resized_to_it(renderer: SimpleNamespace) -> None:
    evaluate(ColourEmbedder(image_size=112), load_suite("rendered-lfw", pairs=60))
    evaluate(ColourEmbedder(image_size=224), load_suite("rendered-lfw", pairs=80))
    assert [size for _, _, size in renderer.calls] == [112, 112]


def test_an_embedder_with_its_own_chip_is_refused_on_crops() -> None:
    with pytest.raises(ValueError, match=r"colour takes its own 150-pixel chip, not the crops of 'colours'"):
        evaluate(ColourEmbedder(image_size=150), coloured_pairs())


def test_the_real_suite_names_the_five_and_the_four() -> None:
    assert tuple(sorted(load_suite("rendered"))) == tuple(sorted(FIVE)) and len(load_suite("rendered-factors")) == 4


def test_verification_sets_of_a_folder_carry_the_fields_names_and_average(tmp_path: Path) -> None:
    for name in ("lfw", "agedb_30", "calfw", "cplfw", "cfp_fp", "another"):
        write_verification_bin(tmp_path / f"{name}.bin", coloured_pairs(pairs=20), quality=0)
    suite = load_suite(f"insightface:{tmp_path}")
    assert suite.sets == ("lfw", "cplfw", "agedb", "calfw", "cfp-fp", "another")
    table = evaluate(ColourEmbedder(), suite)
    assert [row.accuracy for row in table] == [1.0] * 6 and table.average == {"colour": 1.0}
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(FileNotFoundError, match=folder):
            load_suite(f"insightface:{tmp_path / folder}")


def test_every_image_is_embedded_once_with_its_mirror_image() -> None:
    pairs = coloured_pairs(pairs=20, size=64)
    repeated = PairSet("r", pairs.images, np.tile(pairs.first, 3), np.tile(pairs.second, 3), np.tile(pairs.is_same, 3))
    embedder = ColourEmbedder()
    evaluate(embedder, repeated)
    assert embedder.embedded == 2 * 40
    plain = ColourEmbedder()
    evaluate(plain, repeated, flip=False)
    assert plain.embedded == 40


def test_raw_features_are_summed_before_they_are_normalised() -> None:
    class LeftPixel(ColourEmbedder):
        def embed_raw(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            return images[:, 0, 0].astype(np.float32)

    image = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    image[:, 0, 0], image[:, 0, -1] = (30, 0, 0), (0, 40, 0)
    assert embed_with_mirror(LeftPixel(), image) == pytest.approx(np.array([[0.6, 0.8, 0.0]]))

    class OnlyUnit:
        name, image_size = "unit", 64

        def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            return LeftPixel().embed(images)

    half = np.sqrt(0.5)
    assert embed_with_mirror(OnlyUnit(), image) == pytest.approx(np.array([[half, half, 0.0]]))  # type: ignore[arg-type]


def test_scores_do_not_depend_on_how_many_images_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = coloured_pairs(pairs=30, size=64, noise=60)
    whole, _ = score_pairs(ColourEmbedder(), pairs)
    monkeypatch.setattr("hyperface_lib.evaluation.evaluator.CHUNK", 7)
    parts, _ = score_pairs(ColourEmbedder(), pairs)
    assert parts.cosines == pytest.approx(whole.cosines, abs=1e-6)


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write an LFW-like folder of 40 pairs, and a stand-in for detection that finds a face in all but two of them."""
    pairs = coloured_pairs(pairs=40)
    lines = ["10\t2"]
    order = np.arange(40).reshape(10, 4)[:, [0, 2, 1, 3]].ravel()
    for position, pair in enumerate(order):
        matched = position % 4 < 2
        lines.append(f"p{pair}\t1\t2" if matched else f"p{pair}\t1\tq{pair}\t1")
        for side, name in enumerate(
            [f"p{pair}/p{pair}_0001", f"p{pair}/p{pair}_0002" if matched else f"q{pair}/q{pair}_0001"]
        ):
            path = tmp_path / "images" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pairs.images[2 * pair + side]).save(path)
    (tmp_path / "pairs.txt").write_text("\n".join(lines))

    def embed_photographs(
        embedder: object, photos: list[Path], when_missing: str = "skip", progress: bool = False
    ) -> object:
        assert when_missing == "center" and all(isinstance(photo, Path) for photo in photos)
        images = np.stack([np.asarray(Image.open(photo)) for photo in photos])
        vectors = images.astype(np.float32).mean(axis=(1, 2)) - 127.5
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        kept = np.array([index for index, photo in enumerate(photos) if photo.stem != "p3_0001"])
        problems = [
            SimpleNamespace(index=0, name="a", reason="no face was found, the middle was taken", skipped=False),
            SimpleNamespace(index=0, name="a", reason="greyscale", skipped=False),
            SimpleNamespace(index=1, name="b", reason="greyscale", skipped=False),
            SimpleNamespace(index=2, name="p3_0001", reason="corrupt", skipped=True),
        ]
        return SimpleNamespace(vectors=vectors[kept], kept=kept, problems=problems)

    stand_in = ModuleType("hyperface_lib.embedding.photographs")
    vars(stand_in)["embed_photographs"] = embed_photographs
    monkeypatch.setitem(sys.modules, "hyperface_lib.embedding.photographs", stand_in)
    return tmp_path


def test_photographs_without_a_face_are_counted_and_unreadable_ones_cost_their_pairs(photographs: Path) -> None:
    suite = load_suite(f"pairs:{photographs}")
    assert suite.sets == (photographs.name,)
    embedder = ColourEmbedder(image_size=150)
    table = evaluate(embedder, suite)
    (row,) = table
    assert (row.pairs, row.skipped, row.accuracy) == (39, 2, 1.0)
    scores = table.scores["colour", photographs.name]
    assert len(scores.pair_numbers) == 39 and len(np.unique(scores.folds)) == 10
    assert len(table.problems["colour", photographs.name]) == 4


def test_scores_know_who_is_on_either_picture_and_shared_people_are_remarked(photographs: Path) -> None:
    suite = load_suite(f"pairs:{photographs}")
    pair_set = suite.load(photographs.name)
    assert isinstance(pair_set.images, ImageFiles)
    scored, problems = score_pairs(ColourEmbedder(image_size=150), pair_set)
    assert scored.people is not None and scored.people.shape == (39, 2) and len(problems) == 4
    folders = np.array([path.parent.name for path in pair_set.images.paths])
    for side, images in enumerate((pair_set.first, pair_set.second)):
        # one number a name, and one name a number
        told = set(zip(scored.people[:, side].tolist(), folders[images[scored.pair_numbers]].tolist(), strict=True))
        assert len(told) == len({number for number, _ in told}) == len({name for _, name in told})
    interval = bootstrap_verification(scored, replicates=20)
    assert interval.accuracy.estimate == 1.0 and interval.resampled == "58 people"  # one impostor pair is lost
    extra = replace(
        pair_set,
        first=np.append(pair_set.first, pair_set.first[0]),
        second=np.append(pair_set.second, pair_set.second[0]),
        is_same=np.append(pair_set.is_same, pair_set.is_same[0]),
        folds=np.append(pair_set.folds, 9),
    )
    remark = score_pairs(ColourEmbedder(image_size=150), extra)[1][-1]
    assert "1 of 60 people are in more than one fold" in remark.reason and not remark.skipped
    table = evaluate(ColourEmbedder(image_size=150), extra)
    assert [row.skipped for row in table] == [2]  # a remark is not a photograph left out


def test_sets_without_names_are_scored_without_people() -> None:
    assert score_pairs(ColourEmbedder(), coloured_pairs())[0].people is None


def test_a_set_without_pairs_and_vectors_that_are_no_numbers_are_refused() -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="'empty' has no pairs"):
        evaluate(ColourEmbedder(), PairSet("empty", np.zeros((0, 8, 8, 3), np.uint8), nothing, nothing, nothing == 0))

    class Diverged(ColourEmbedder):
        def embed_raw(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            raw = super().embed_raw(images).copy()
            raw[images[:, 0, 0, 0] > 200] = np.nan
            return raw

    pair_set = coloured_pairs()
    wrong = [row for row in range(len(pair_set.images)) if pair_set.images[row, 0, 0, 0] > 200]
    with pytest.raises(
        ValueError, match=f"not finite for {len(wrong)} images of 'colours', the first image {wrong[0]}"
    ):
        evaluate(Diverged(), pair_set)
