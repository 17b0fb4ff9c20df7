"""IJB from images to tables, against the published pipeline written out in loops, and with everything that can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from hyperface_lib.cli import app
from hyperface_lib.embedding import align_face, create_backbone, load_embedder
from hyperface_lib.embedding.alignment import arcface_template
from hyperface_lib.embedding.networks import save_recogniser
from hyperface_lib.evaluation import (
    PUBLISHED_POOLINGS,
    Pooling,
    Templates,
    embed_ijb,
    evaluate,
    evaluate_each_ijb,
    evaluate_ijb,
    identify_templates,
    ijb_features,
    is_ijb,
    load_ijb,
    load_suite,
    pair_cosines,
    score_ijb,
    verify_templates,
)
from hyperface_lib.formats import IjbMeta, TemplateSubjects

IMAGES = 46


@dataclass
class ColourEmbedder:
    """The mean colours of four quarters of a crop, of any length; counts what it embeds and stops where it is told."""

    image_size: int = 64
    name: str = "colours"
    dimension: int = 12
    fingerprint: str = "c" * 16
    embedded: int = 0
    stop_after: float = float("inf")
    sizes: list[int] = field(default_factory=list)

    def embed_raw(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        if self.embedded + len(images) > self.stop_after:
            raise KeyboardInterrupt
        self.embedded += len(images)
        self.sizes.append(len(images))
        half = self.image_size // 2
        parts = [images[:, y : y + half, x : x + half].mean(axis=(1, 2)) for y in (0, half) for x in (0, half)]
        return (np.concatenate(parts, axis=1) - 120.0).astype(np.float32)

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        raw = self.embed_raw(images)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a small IJB-B: 14 templates of 7 people, up to 3 media each; all template pairs; two galleries, probes."""
    rng = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("ijb") / "IJBB"
    (folder / "meta").mkdir(parents=True)
    (folder / "loose_crop").mkdir()
    people = rng.integers(30, 226, (7, 6, 5, 3))
    templates = (np.arange(14) * 37 + 5) % 101
    media_lines, point_lines = [], []
    for image in range(IMAGES):
        template = image % 14
        noise = rng.normal(0, 40, (6, 5, 3)) + rng.normal(0, 25)
        small = np.clip(people[template % 7] + noise, 0, 255).astype(np.uint8)
        size = (int(rng.integers(70, 130)), int(rng.integers(80, 140)))
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(folder / "loose_crop" / f"{image + 1}.png")
        points = arcface_template(64) * 1.2 + [6.0, 9.0] + rng.normal(0, 1.5, (5, 2))
        media_lines.append(f"{image + 1}.png {templates[template]} {image // 14 % 3 + 100 * (template % 2)}")
        point_lines.append(f"{image + 1}.png " + " ".join(f"{v:.4f}" for v in points.ravel()) + f" {rng.random():.5f}")
    pairs = [f"{templates[i]} {templates[j]} {int(i % 7 == j % 7)}" for i in range(14) for j in range(14) if i != j]
    subjects = {
        "1N_gallery_S1": [(templates[k], k) for k in (0, 1, 2)],
        "1N_gallery_S2": [(templates[k], k) for k in (3, 4, 5)],
        "1N_probe_mixed": [(templates[k + 7], k) for k in range(6)],
    }
    texts = {"face_tid_mid.txt": media_lines, "name_5pts_score.txt": point_lines, "template_pair_label.txt": pairs}
    texts |= {f"{name}.csv": ["T,S"] + [f"{t},{s}" for t, s in rows] for name, rows in subjects.items()}
    for name, lines in texts.items():
        (folder / "meta" / f"ijbb_{name}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def copied(drawn: Path, tmp_path: Path) -> Path:
    """Copy the folder to break it."""
    target = tmp_path / "IJBB"
    for file in drawn.rglob("*.*"):
        place = target / file.relative_to(drawn)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    return target


def published(
    folder: Path, embed: Callable[[np.ndarray], np.ndarray], size: int, keep_norm: bool, faceness: bool
) -> tuple[dict[int, np.ndarray], np.ndarray, np.ndarray]:
    """Follow `eval_ijbc.py` step by step in float64: template vectors, pair scores, labels."""
    rows = [line.split() for line in (folder / "meta" / "ijbb_face_tid_mid.txt").read_text().splitlines()]
    points = [line.split() for line in (folder / "meta" / "ijbb_name_5pts_score.txt").read_text().splitlines()]
    features = []
    for (name, _, _), (_, *values) in zip(rows, points, strict=True):
        image = np.asarray(Image.open(folder / "loose_crop" / name).convert("RGB"))
        crop = align_face(image, np.array(values[:10], float).reshape(5, 2), size)
        both = embed(np.stack([crop, crop[:, ::-1]])).astype(np.float64)
        feature = both[0] + both[1]
        if not keep_norm:
            feature = feature / np.linalg.norm(feature)
        features.append(feature * (float(values[10]) if faceness else 1.0))
    vectors = {}
    for template in sorted({int(row[1]) for row in rows}):
        media: dict[str, list[np.ndarray]] = {}
        for row, feature in zip(rows, features, strict=True):
            if int(row[1]) == template:
                media.setdefault(row[2], []).append(feature)
        total = sum((np.mean(group, axis=0) for group in media.values()), np.zeros(len(features[0])))
        vectors[template] = total / np.linalg.norm(total)
    pairs = [line.split() for line in (folder / "meta" / "ijbb_template_pair_label.txt").read_text().splitlines()]
    scores = np.array([vectors[int(first)] @ vectors[int(second)] for first, second, _ in pairs])
    return vectors, scores, np.array([label == "1" for _, _, label in pairs])


def rates_by_hand(scores: np.ndarray, same: np.ndarray, rate: float) -> tuple[float, float]:
    """Give the TPR at a FPR exactly, and at the nearest FPR (of several the largest TPR), over every threshold."""
    points = [(0.0, 0.0)]
    for threshold in scores:
        points.append((float((scores[~same] >= threshold).mean()), float((scores[same] >= threshold).mean())))
    exact = max(true for false, true in points if false <= rate)
    nearest = min(points, key=lambda point: (round(abs(point[0] - rate), 12), -point[1]))
    return exact, nearest[1]


@pytest.mark.parametrize("pooling", PUBLISHED_POOLINGS, ids=lambda pooling: pooling.name)
def test_the_whole_way_agrees_with_the_published_one(drawn: Path, pooling: Pooling) -> None:
    embedder = ColourEmbedder()
    vectors, scores, same = published(
        drawn, ColourEmbedder().embed_raw, 64, not pooling.normalize_before_pooling, pooling.use_faceness
    )
    meta = load_ijb(f"ijb:{drawn.parent}")
    features = embed_ijb(embedder, meta, align_face)
    templates = pooling.pool(features, meta.template_ids, meta.media_ids, meta.faceness)
    assert templates.ids.tolist() == list(vectors)
    assert templates.vectors == pytest.approx(np.array(list(vectors.values())), abs=1e-6)
    found = pair_cosines(templates.vectors, meta.pairs)
    assert found == pytest.approx(scores, abs=1e-6)
    result = evaluate_ijb(ColourEmbedder(), meta, align_face, poolings=[pooling])
    (record,) = result.to_records()
    for rate, name in ((1e-6, "1e-6"), (1e-3, "1e-3"), (1e-2, "1e-2"), (1e-1, "1e-1")):
        exact, nearest = rates_by_hand(np.round(scores, 7), same, rate)
        assert record[f"tpr_at_fpr_{name}"] == pytest.approx(exact)
        assert record[f"tpr_nearest_fpr_{name}"] == pytest.approx(nearest)
    assert 0 < record["tpr_at_fpr_1e-1"] < 1  # easy enough to tell, too hard to be perfect
    assert (record["pairs"], record["same"], record["complete"]) == (182, 14, True)
    assert embedder.embedded == 2 * IMAGES


def test_identification_agrees_with_searches_by_hand(drawn: Path) -> None:
    vectors, _, _ = published(drawn, ColourEmbedder().embed_raw, 64, True, True)
    lists = {}
    for name in ("1N_gallery_S1", "1N_gallery_S2", "1N_probe_mixed"):
        lines = (drawn / "meta" / f"ijbb_{name}.csv").read_text().splitlines()[1:]
        lists[name] = [tuple(int(value) for value in line.split(",")) for line in lines]
    probes = lists.pop("1N_probe_mixed")

    def ranks_in(gallery: list[tuple[int, ...]]) -> tuple[list[tuple[float, int]], list[float]]:
        mated, strangers = [], []
        for template, subject in probes:
            cosines = {who: float(vectors[template] @ vectors[entry]) for entry, who in gallery}
            if subject in cosines:
                better = sum(value >= cosines[subject] for who, value in cosines.items() if who != subject)
                mated.append((cosines[subject], 1 + better))
            else:
                strangers.append(max(cosines.values()))
        return mated, strangers

    (record,) = evaluate_ijb(ColourEmbedder(), load_ijb(f"ijb:{drawn}"), align_face).to_records()
    searches = [ranks_in(gallery) for gallery in lists.values()]
    for rank in (1, 5, 10):
        assert record[f"rank{rank}"] == pytest.approx(
            np.mean([np.mean([r <= rank for _, r in mated]) for mated, _ in searches])
        )
    merged, none = ranks_in([entry for gallery in lists.values() for entry in gallery])
    assert record["rank1_merged"] == pytest.approx(np.mean([r == 1 for _, r in merged])) and none == []
    # three strangers a gallery: at 1e-2 and at 1e-1 none of them may be taken for somebody
    expected = np.mean([np.mean([c > max(s) and r == 1 for c, r in mated]) for mated, s in searches])
    assert record["tpir_at_fpir_1e-2"] == record["tpir_at_fpir_1e-1"] == pytest.approx(expected)
    assert 0 < record["rank1_merged"] < 1


def test_the_shipped_recogniser_runs_on_it(drawn: Path) -> None:
    embedder = load_embedder("reference", device="cpu", flip=False)
    _, scores, same = published(drawn, embedder.embed_raw, embedder.image_size, True, True)
    result = evaluate_ijb(embedder, load_ijb(f"ijb:{drawn}"), align_face)
    curve = result.scores[0].verification.curve
    assert np.sort(scores[same]) == pytest.approx(curve.genuine_scores, abs=1e-6)
    assert np.sort(scores[~same]) == pytest.approx(curve.impostor_scores, abs=1e-6)


class TestCache:
    """What is kept between calls."""

    @pytest.fixture(autouse=True)
    def _small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ijb_features, "PART", 10)

    def test_an_interrupted_run_is_gone_on_with(self, drawn: Path, tmp_path: Path) -> None:
        meta = load_ijb(f"ijb:{drawn}")
        stopped = ColourEmbedder(stop_after=50)
        with pytest.raises(KeyboardInterrupt):
            evaluate_ijb(stopped, meta, align_face, cache=tmp_path)
        assert stopped.embedded == 50  # two parts with their mirror images, and half of the third
        (folder,) = tmp_path.iterdir()
        assert sorted(file.name for file in folder.iterdir()) == [
            "features-0000000.safetensors",
            "features-0000010.safetensors",
        ]
        resumed = ColourEmbedder()
        result = evaluate_ijb(resumed, meta, align_face, cache=tmp_path)
        assert resumed.embedded == 2 * (IMAGES - 20)
        again = ColourEmbedder()
        repeated = evaluate_ijb(again, meta, align_face, cache=tmp_path)
        assert again.embedded == 0
        plain = evaluate_ijb(ColourEmbedder(), meta, align_face)
        assert result.to_records() == repeated.to_records() == plain.to_records()

    def test_a_damaged_part_and_a_changed_image_are_made_again_alone(self, copied: Path, tmp_path: Path) -> None:
        meta, cache = load_ijb(f"ijb:{copied}"), tmp_path / "cache"
        features = embed_ijb(ColourEmbedder(), meta, align_face, cache)[0:IMAGES]
        file = next(cache.glob("*/features-0000020.safetensors"))
        content = bytearray(file.read_bytes())
        content[-20] ^= 1
        file.write_bytes(content)
        embedder = ColourEmbedder()
        assert np.array_equal(embed_ijb(embedder, meta, align_face, cache)[0:IMAGES], features)
        assert embedder.embedded == 20
        Image.new("RGB", (90, 99), (250, 3, 3)).save(copied / "loose_crop" / "46.png")
        embedder = ColourEmbedder()
        changed = embed_ijb(embedder, meta, align_face, cache)[0:IMAGES]
        assert embedder.embedded == 12 and np.array_equal(changed[:45], features[:45])
        assert not np.array_equal(changed[45], features[45])

    def test_another_embedder_alignment_or_points_share_nothing(self, drawn: Path, tmp_path: Path) -> None:
        def shifted(image: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
            return align_face(image, points + 2.0, size)

        meta = load_ijb(f"ijb:{drawn}")
        embed_ijb(ColourEmbedder(), meta, align_face, tmp_path)
        mirroring = ColourEmbedder()
        mirroring.flip = True  # type: ignore[attr-defined]
        embed_ijb(mirroring, meta, align_face, tmp_path)
        other = ColourEmbedder(fingerprint="d" * 16)
        embed_ijb(other, meta, align_face, tmp_path)
        cut = ColourEmbedder()
        embed_ijb(cut, meta, shifted, tmp_path)
        moved = ColourEmbedder()
        embed_ijb(moved, replace(meta, five_points=meta.five_points + 1.0), align_face, tmp_path)
        assert mirroring.embedded == other.embedded == cut.embedded == moved.embedded == 2 * IMAGES

    def test_any_range_of_rows_is_what_it_would_be_in_an_array(self, drawn: Path, tmp_path: Path) -> None:
        meta = load_ijb(f"ijb:{drawn}")
        whole = embed_ijb(ColourEmbedder(), meta, align_face)
        parted = embed_ijb(ColourEmbedder(), meta, align_face, tmp_path)
        array = whole[0:IMAGES]
        assert array.shape == (IMAGES, 12)
        for start in range(0, IMAGES, 3):
            for stop in range(start, IMAGES + 4, 5):
                assert np.array_equal(parted[start:stop], array[start:stop])
                assert np.array_equal(whole[start:stop], array[start:stop])

    def test_an_image_that_arrives_later_is_taken_in(self, copied: Path, tmp_path: Path) -> None:
        meta, cache = load_ijb(f"ijb:{copied}"), tmp_path / "cache"
        content = (copied / "loose_crop" / "3.png").read_bytes()
        (copied / "loose_crop" / "3.png").unlink()
        assert not evaluate_ijb(ColourEmbedder(), meta, align_face, cache).complete
        again = evaluate_ijb(ColourEmbedder(), meta, align_face, cache)
        assert [problem.image for problem in again.problems] == ["3.png"]  # known without reading anything
        (copied / "loose_crop" / "3.png").write_bytes(content)
        embedder = ColourEmbedder()
        assert evaluate_ijb(embedder, meta, align_face, cache).complete and embedder.embedded == 20


def test_images_that_cannot_be_used_are_named_and_their_templates_go_on(copied: Path) -> None:
    crops = copied / "loose_crop"
    (crops / "1.png").unlink()
    (crops / "2.png").write_bytes(b"not an image")
    (crops / "3.png").write_bytes((crops / "3.png").read_bytes()[:200])
    meta = load_ijb(f"ijb:{copied}")
    points = meta.five_points.copy()
    points[3] = 5.0  # all in one place
    meta = replace(meta, five_points=points)
    result = evaluate_ijb(ColourEmbedder(), meta, align_face)
    assert [problem.image for problem in result.problems] == ["1.png", "2.png", "3.png", "4.png"]
    reasons = [problem.reason for problem in result.problems]
    assert reasons[0] == "the file is missing" and "2.png" in reasons[1] and "3.png" in reasons[2]
    assert "different source points" in reasons[3] and "\n" not in "".join(map(str, result.problems))
    assert not result.complete and result.empty_templates == () and result.to_records()[0]["missing_images"] == 4
    assert result.table()[0]["set"] == "IJB-B (partial)"
    assert (
        "4 of 46 images could not be used, the first: 1.png (template 5): the file is missing." in result.to_markdown()
    )
    # as if they had never been listed
    kept = np.arange(4, IMAGES)
    smaller = replace(
        meta,
        image_names=meta.image_names[4:],
        five_points=meta.five_points[kept],
        faceness=meta.faceness[kept],
        template_ids=meta.template_ids[kept],
        media_ids=meta.media_ids[kept],
    )
    (without,) = evaluate_ijb(ColourEmbedder(), smaller, align_face).to_records()
    names = [name for name in without if name.startswith(("tp", "rank"))]
    assert [without[name] for name in names] == [result.to_records()[0][name] for name in names]


def test_an_empty_template_scores_lowest_and_its_searches_fail(copied: Path) -> None:
    meta = load_ijb(f"ijb:{copied}")
    assert meta.probes is not None
    second = np.isin(meta.probes.subjects, meta.galleries["S2"].subjects)
    gone = int(meta.templates[meta.galleries["S1"].rows[0]]), int(meta.templates[meta.probes.rows[second][0]])
    for name, template in zip(meta.image_names, meta.template_ids.tolist(), strict=True):
        if template in gone:
            (copied / "loose_crop" / name).unlink()
    result = evaluate_ijb(ColourEmbedder(), meta, align_face)
    record = result.to_records()[0]
    assert result.empty_templates == tuple(sorted(gone)) and record["empty_templates"] == 2
    touched = np.isin(meta.templates[meta.pairs], gone).any(axis=1)
    assert record["unscored_pairs"] == touched.sum() > 0 and record["pairs"] == len(meta.pairs)
    curve = result.scores[0].verification.curve
    assert (curve.genuine_scores == -1.0).sum() == (touched & meta.is_same).sum()
    assert (curve.impostor_scores == -1.0).sum() == (touched & ~meta.is_same).sum()
    found = result.scores[0].identification
    assert found is not None
    assert [len(search.mate_ranks) for search in found.searches.values()] == [3, 3]
    assert [len(search.impostor_cosines) for search in found.searches.values()] == [3, 3]
    failed = sum(int((search.mate_ranks == 4).sum()) for search in found.searches.values())
    assert failed == 2 and all(
        search.closed_set.rate_at(3) == pytest.approx(2 / 3) for search in found.searches.values()
    )
    assert found.merged.rate_at(6) == pytest.approx(4 / 6)
    assert any("2 of 14 templates have no vector and score lowest" in remark for remark in result.remarks())


def test_when_nothing_can_be_used_it_is_said(copied: Path) -> None:
    for file in (copied / "loose_crop").iterdir():
        file.unlink()
    with pytest.raises(
        ValueError, match=r"None of the 46 images of IJB-B .* 1\.png \(template 5\): the file is missing"
    ):
        evaluate_ijb(ColourEmbedder(), load_ijb(f"ijb:{copied}"), align_face)
    (copied / "loose_crop").rmdir()
    with pytest.raises(FileNotFoundError, match=r"no folder .*loose_crop with the images of IJB-B"):
        evaluate_ijb(ColourEmbedder(), load_ijb(f"ijb:{copied}"), align_face)


def test_embedders_and_alignments_that_do_not_fit_are_refused(drawn: Path, tmp_path: Path) -> None:
    meta = load_ijb(f"ijb:{drawn}")
    with pytest.raises(ValueError, match=r"colours takes its own 150-pixel chip, not the template crops of IJB-B"):
        evaluate_ijb(ColourEmbedder(image_size=150), meta, align_face)
    with pytest.raises(TypeError, match=r"crops \(64, 64, 3\), found \(32, 32, 3\)"):
        evaluate_ijb(ColourEmbedder(), meta, lambda image, points, size: align_face(image, points, size // 2))

    class Broken(ColourEmbedder):
        def embed_raw(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            features = super().embed_raw(images)
            features[4, 3] = np.nan
            return features

    with pytest.raises(ValueError, match=r"colours gives a feature for .*5\.png that is not of finite numbers"):
        evaluate_ijb(Broken(), meta, align_face, cache=tmp_path)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_one_that_fails_costs_no_other(drawn: Path) -> None:
    meta = load_ijb(f"ijb:{drawn}")
    embedders = [ColourEmbedder(image_size=150, name="dlib"), ColourEmbedder()]
    results, failures = evaluate_each_ijb(embedders, [meta], align_face)
    assert [result.model for result in results] == ["colours"] and len(results[0].scores) == 3
    assert [str(failure) for failure in failures] == [
        "dlib on IJB-B failed: dlib takes its own 150-pixel chip, not the template crops of IJB-B."
    ]
    with pytest.raises(KeyboardInterrupt):
        evaluate_each_ijb([ColourEmbedder(stop_after=1)], [meta], align_face)


def test_an_embedder_without_raw_features_has_its_unit_vectors_summed(drawn: Path) -> None:
    @dataclass
    class OnlyUnit:
        name: str = "unit"
        image_size: int = 64
        dimension: int = 12
        fingerprint: str = "e" * 16

        def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            return ColourEmbedder().embed(images)

    meta = load_ijb(f"ijb:{drawn}")
    found: Any = embed_ijb(OnlyUnit(), meta, align_face)[0:3]  # type: ignore[arg-type]
    crops = np.stack([align_face(np.asarray(Image.open(meta.path(k))), meta.five_points[k], 64) for k in range(3)])
    assert found == pytest.approx(ColourEmbedder().embed(crops) + ColourEmbedder().embed(crops[:, :, ::-1]), abs=1e-6)


def test_features_made_elsewhere_are_scored_and_must_fit(drawn: Path) -> None:
    meta = load_ijb(f"ijb:{drawn}")
    features = embed_ijb(ColourEmbedder(), meta, align_face)[0:IMAGES]
    result = score_ijb(meta, features, poolings=PUBLISHED_POOLINGS)
    assert [record["pooling"] for record in result.to_records()] == [pooling.name for pooling in PUBLISHED_POOLINGS]
    plain = evaluate_ijb(ColourEmbedder(), meta, align_face, poolings=PUBLISHED_POOLINGS)
    assert [{**record, "model": "features"} for record in plain.to_records()] == result.to_records()
    holed = score_ijb(meta, features, present=np.arange(IMAGES) > 0)
    assert not holed.complete and holed.missing_images == 1 and holed.remarks() == ["1 of 46 images could not be used."]
    with pytest.raises(ValueError, match="IJB-B names 46 images, found 45 features"):
        score_ijb(meta, features[:45])
    with pytest.raises(ValueError, match="At least one way of pooling"):
        score_ijb(meta, features, poolings=())


def test_the_table_is_in_per_cent_and_the_records_are_plain(drawn: Path, copied: Path) -> None:
    meta = load_ijb(f"ijb:{drawn}")
    # 91 impostor pairs: of the rates nearest to 0.01 one is above and one below, and the two readings part
    meta = replace(meta, is_same=np.arange(len(meta.pairs)) % 2 == 0)
    result = evaluate_ijb(ColourEmbedder(), meta, align_face, poolings=PUBLISHED_POOLINGS)
    records = json.loads(json.dumps(result.to_records(), allow_nan=False))
    rows = result.table()
    assert len(rows) == 6 and [row["TPR reading"] for row in rows] == ["exact", "nearest"] * 3
    for rate in ("1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1"):
        for number, record in enumerate(records):
            exact, nearest = record[f"tpr_at_fpr_{rate}"], record[f"tpr_nearest_fpr_{rate}"]
            assert rows[2 * number][f"TPR@{rate}"] == f"{100 * exact:.2f}"
            assert rows[2 * number + 1][f"TPR@{rate}"] == f"{100 * nearest:.2f}"
    assert any(rows[2 * number] | {"TPR reading": "nearest"} != rows[2 * number + 1] for number in range(3))
    assert rows[4]["rank-1"] == f"{100 * records[2]['rank1']:.2f}"
    lines = result.to_markdown().splitlines()
    assert len(lines) == 8 and {line.count("|") for line in lines} == {len(rows[0]) + 1}
    (copied / "meta" / "ijbb_1N_probe_mixed.csv").unlink()
    without = evaluate_ijb(ColourEmbedder(), load_ijb(f"ijb:{copied}"), align_face)
    assert without.to_records()[0]["rank1"] is None and without.table()[0]["rank-1"] == ""
    assert without.complete and "No identification (1:N)" in without.to_markdown()


def ranked(subjects: list[int], gallery: list[int]) -> tuple[IjbMeta, Templates]:
    """Give templates on the axes, probes before gallery, with these subjects."""
    count = len(subjects) + len(gallery)
    rows = np.arange(count, dtype=np.int32)
    meta = IjbMeta(
        name="x",
        images=Path(),
        image_names=("a",) * count,
        five_points=np.zeros((count, 5, 2)),
        faceness=np.ones(count),
        template_ids=rows.astype(np.int64),
        media_ids=rows.astype(np.int64),
        templates=rows.astype(np.int64),
        pairs=np.stack([rows, rows], axis=1),
        is_same=rows % 2 == 0,
        galleries={"S1": TemplateSubjects(rows[len(subjects) :], np.array(gallery))},
        probes=TemplateSubjects(rows[: len(subjects)], np.array(subjects)),
    )
    return meta, Templates(meta.templates, np.eye(count, dtype=np.float32), np.ones(count, np.int64))


def test_a_gallery_without_searches_of_both_kinds_is_refused() -> None:
    for subjects, kind in (([1, 2], "without"), ([7, 8], "with")):
        with pytest.raises(ValueError, match=f"Gallery S1 was expected to leave probes {kind} a mate"):
            identify_templates(*ranked(subjects, [1, 2]))
    meta, templates = ranked([1, 7], [1, 2])
    assert identify_templates(replace(meta, probes=None, galleries={}), templates) is None
    with pytest.raises(ValueError, match="pairs of both kinds"):
        verify_templates(replace(meta, is_same=np.ones(4, bool)), templates)


def test_pairs_are_compared_in_blocks_of_any_number() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = rng.integers(0, 50, (9001, 2)).astype(np.int32)
    expected = (vectors.astype(float)[pairs[:, 0]] * vectors.astype(float)[pairs[:, 1]]).sum(axis=1)
    assert pair_cosines(vectors, pairs) == pytest.approx(expected, abs=1e-6)


def test_the_command_prints_and_writes_its_table_and_resumes(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    save_recogniser(tmp_path / "net.safetensors", create_backbone("tiny", 16))
    monkeypatch.setenv("HYPERFACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    files = ["--json", str(tmp_path / "a.json"), "--markdown", str(tmp_path / "a.md")]
    command = ["evaluate", f"net:{tmp_path / 'net.safetensors'}", f"ijb:{drawn.parent}", "--device", "cpu"]
    done = CliRunner().invoke(app, [*command, *files])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["rows"] == [] and [record["pooling"] for record in written["ijb"]] == [
        pooling.name for pooling in PUBLISHED_POOLINGS
    ]
    shown = f"{100 * written['ijb'][0]['tpr_nearest_fpr_1e-1']:.2f}"
    assert "Norm:True_Det:True" in done.output and shown in done.output
    assert shown in (tmp_path / "a.md").read_text() and "| TPR@1e-6 |" in (tmp_path / "a.md").read_text()
    assert len(list((tmp_path / "cache" / "ijb").glob("IJB-B-*/features-*.safetensors"))) == 1
    again = CliRunner().invoke(app, [*command, "--json", str(tmp_path / "b.json")])
    assert again.exit_code == 0 and json.loads((tmp_path / "b.json").read_text()) == written
    refused = CliRunner().invoke(app, [*command, "--figure", str(tmp_path / "a.html")])
    assert refused.exit_code == 2 and "only ijb:FOLDER is named" in refused.output


def test_a_template_suite_is_evaluated_like_any_other(drawn: Path) -> None:
    suite = load_suite(f"ijb:{drawn}")
    assert suite.sets == () and [meta.name for meta in suite.templates] == ["IJB-B"]
    table = evaluate(ColourEmbedder(), suite)
    assert not table.rows and len(table.templates) == 1
    assert table.templates[0].to_records() == evaluate_ijb(ColourEmbedder(), load_ijb(f"ijb:{drawn}")).to_records()
    assert len((table + table).templates) == 2


def test_a_template_suite_is_told_from_suites_of_pairs() -> None:
    assert is_ijb("ijb:x") and not is_ijb("rendered") and not is_ijb("pairs:ijb")
    with pytest.raises(ValueError, match="ijb:FOLDER was expected, found 'rendered'"):
        load_ijb("rendered")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_ijb("ijb:/nowhere")
