"""Published rows: what ships is consistent with itself, and a damaged file is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.evaluation import FIVE_BENCHMARKS, PublishedRow, Recipe, load_published, recipe_of_metadata
from hyperface_lib.evaluation.published import RATES


@pytest.fixture(scope="module")
def rows() -> tuple[PublishedRow, ...]:
    return load_published()


def content(**row: Any) -> dict[str, Any]:
    """Give a small valid file; `row` replaces fields of its only row, None removes one."""
    base = {
        "name": "set A",
        "kind": "synthetic",
        "identities": 10,
        "images": 100,
        "accuracies": dict.fromkeys(FIVE_BENCHMARKS, 90.0),
        "recipe": "r",
    }
    merged = {name: value for name, value in {**base, **row}.items() if value is not ...}
    source = {"name": "a README", "kind": "README", "evidence": "source"}
    return {"source": source, "recipes": {"r": {"backbone": "IR50"}}, "rows": [merged]}


def write(folder: Path, value: Any) -> Path:
    (folder / "t.json").write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder


class TestWhatShips:
    def test_averages_are_means_of_their_rows_and_differ_from_print_only_where_the_remark_says_so(
        self, rows: tuple[PublishedRow, ...], checkout: Path
    ) -> None:
        differing = set()
        raw = [
            row
            for file in sorted((checkout / "data" / "published").glob("*.json"))
            for row in json.loads(file.read_text(encoding="utf-8"), parse_float=Fraction)["rows"]
        ]
        assert len(raw) == len(rows)
        for written, row in zip(raw, rows, strict=True):
            assert written["name"] == row.name
            if len(written["accuracies"]) < 5:
                assert row.average is None
                continue
            mean = sum(written["accuracies"].values()) / Fraction(5)
            assert row.average == pytest.approx(float(mean), abs=1e-12)
            printed = written.get("printed_average")
            if printed is not None and abs(Fraction(printed) - mean) > Fraction(5, 1000):
                differing.add(row.name)
                assert "mean of its row" in row.remarks
        assert differing == {"IDnet", "HSFace300K", "CASIA-WebFace"}

    def test_the_papers_rows(self, rows: tuple[PublishedRow, ...]) -> None:
        hyperface = {row.name: row for row in rows if row.recipe.name == "hyperface"}
        assert len(hyperface) == 18
        row = hyperface["HyperFace 50k"]
        assert (row.identities, row.images, row.kind) == (50_000, 3_200_000, "synthetic")
        assert row.accuracies == {"lfw": 98.27, "cplfw": 85.60, "agedb": 90.40, "calfw": 91.48, "cfp-fp": 92.24}
        assert row.recipe.loss == "AdaFace" and row.recipe.epochs == "not stated"
        assert hyperface["SynFace"].average is None and hyperface["SynFace"].printed_average == 69.53

    def test_columns_of_the_readme_stand_under_their_sets(self, rows: tuple[PublishedRow, ...]) -> None:
        table = {(row.name, row.source.split(",")[0]): row for row in rows}
        arc2face = table["Arc2Face", "Vec2Face"].accuracies
        assert [arc2face[name] for name in ("lfw", "cfp-fp", "agedb", "calfw", "cplfw")] == [
            98.81,
            91.87,
            90.18,
            92.63,
            85.16,
        ]
        casia = table["CASIA-WebFace, IR50, AdaFace", "CVLface"]
        assert casia.true_positive_rates == {"ijb-b@1e-4": 46.04, "ijb-c@1e-4": 52.97}

    def test_a_row_whose_source_states_no_recipe_has_none(self, rows: tuple[PublishedRow, ...]) -> None:
        unstated = [row.name for row in rows if not row.recipe.is_stated]
        assert {"SynFace", "DCFace", "VFace10K"} <= set(unstated)
        assert "HSFace10K" not in unstated

    def test_every_value_is_a_per_cent_of_a_known_set(self, rows: tuple[PublishedRow, ...]) -> None:
        for row in rows:
            assert set(row.accuracies) <= set(FIVE_BENCHMARKS) and set(row.true_positive_rates) <= set(RATES)
            assert all(30 <= value <= 100 for value in {**row.accuracies, **row.true_positive_rates}.values())
            assert row.accuracies or row.true_positive_rates or row.printed_average is not None

    def test_rows_cannot_be_changed(self, rows: tuple[PublishedRow, ...]) -> None:
        with pytest.raises(FrozenInstanceError):
            rows[0].name = "other"  # type: ignore[misc]


class TestReading:
    def test_a_folder_of_ones_own(self, tmp_path: Path) -> None:
        (row,) = load_published(write(tmp_path, content(remarks="one remark")))
        assert row.average == 90.0 and row.recipe == Recipe("r", backbone="IR50") and row.remarks == "one remark"

    @given(missing=st.sets(st.sampled_from(FIVE_BENCHMARKS), min_size=1))
    def test_a_row_with_a_missing_set_has_no_average(self, missing: set[str]) -> None:
        kept = {name: 90.0 for name in FIVE_BENCHMARKS if name not in missing}
        assert PublishedRow("a", "real", None, None, kept, {}, Recipe(), "s", "source").average is None

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"accuracies": {"lfw": 100.5}}, r"row 1 \('set A'\), lfw: .*0 to 100.*100.5"),
            ({"accuracies": {"lfw": -1}}, "-1"),
            ({"accuracies": {"lfw": float("nan")}}, "nan"),
            ({"accuracies": {"lfw": True}}, "True"),
            ({"accuracies": {"lfw": "99"}}, "'99'"),
            ({"accuracies": {"rendered-lfw": 99.0}}, "found 'rendered-lfw'"),
            ({"true_positive_rates": {"ijb-c": 99.0}}, "found 'ijb-c'"),
            ({"kind": "drawn"}, "synthetic or real, found 'drawn'"),
            ({"identities": 0}, "identities must be a positive number or null, found 0"),
            ({"identities": 1.5}, "identities must be a whole number or null, found 1.5"),
            ({"images": True}, "images must be a whole number or null"),
            ({"recipe": "q"}, "null or one of r, found 'q'"),
            ({"name": ...}, "the field 'name' was expected"),
            ({"colour": "red"}, "found 'colour'"),
            ({"printed_average": 101}, "printed_average: .*101"),
        ],
    )
    def test_a_damaged_row_is_named_in_one_sentence(self, tmp_path: Path, row: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words) as caught:
            load_published(write(tmp_path, content(**row)))
        assert str(tmp_path / "t.json") in str(caught.value)
        assert str(caught.value).count("\n") == 0

    @pytest.mark.parametrize("text", ["[]", "{", '{"source": {}}', "[" * 100_000, "3", "\udcff"])
    def test_what_is_no_table_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "t.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ValueError, match=r"t\.json"):
            load_published(tmp_path)

    def test_two_rows_of_one_name_a_large_file_and_an_empty_folder_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="found none"):
            load_published(tmp_path)
        twice = content()
        twice["rows"] *= 2
        with pytest.raises(ValueError, match="found 'set A' twice"):
            load_published(write(tmp_path, twice))
        with pytest.raises(ValueError, match="found a larger file"):
            load_published(write(tmp_path, " " * 1_000_001))

    def test_missing_data_says_what_to_set(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
        with pytest.raises(FileNotFoundError, match="published is missing"):
            load_published()


class TestRecipes:
    def test_files_that_differ_in_the_seed_alone_share_a_recipe(self) -> None:
        settings = {"architecture": "small", "head": "arcface", "head_options": {"scale": 16.0}, "epochs": 10}
        one, two = (recipe_of_metadata({"recipe": {**settings, "seed": seed}}) for seed in (1, 2))
        other = recipe_of_metadata({"recipe": {**settings, "epochs": 11}})
        assert one == two != other and one.is_stated and one.name != other.name
        assert str(one).endswith("loss arcface, scale 16.0; epochs 10; not stated: batch size, optimiser, augmentation")

    @pytest.mark.parametrize("metadata", [{}, {"recipe": None}, {"recipe": "arcface"}, {"recipe": {}}])
    def test_a_file_without_one_has_none(self, metadata: dict[str, Any]) -> None:
        assert not recipe_of_metadata(metadata).is_stated
        assert str(recipe_of_metadata(metadata)) == "recipe not stated"

    def test_steps_stand_in_for_epochs_and_long_texts_are_cut(self) -> None:
        recipe = recipe_of_metadata({"recipe": {"max_steps": 20, "epochs": 3, "architecture": "x" * 10_000}})
        assert recipe.epochs == "20 steps" and len(recipe.backbone) < 200
