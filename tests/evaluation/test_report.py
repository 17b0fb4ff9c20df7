"""Own rows beside published ones: ranked inside a recipe and a world, never across."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.evaluation import (
    FIVE_BENCHMARKS,
    BenchmarkTable,
    Failure,
    PublishedRow,
    Recipe,
    Report,
    ReportRow,
    Row,
    comparison_table,
    load_published,
)

OURS = Recipe("ours", backbone="IR50", loss="ArcFace")


def row(model: str, name: str, percent: float, suite: str = "insightface", pairs: int = 6000) -> Row:
    pairs = 7000 if name == "cfp-fp" and pairs == 6000 else pairs
    return Row(
        model, suite, name, percent / 100, 0.004, 0.002, pairs, "10-fold", 0.5, 0.1, 0.9, percent / 100 + 0.001, 0
    )


def five(model: str, percents: list[float], prefix: str = "", suite: str = "insightface") -> list[Row]:
    return [row(model, prefix + name, value, suite) for name, value in zip(FIVE_BENCHMARKS, percents, strict=True)]


def published(name: str, percents: list[float], recipe: Recipe = OURS, source: str = "paper") -> PublishedRow:
    values = dict(zip(FIVE_BENCHMARKS, percents, strict=True))
    return PublishedRow(name, "synthetic", 10, 100, values, {}, recipe, source, "source")


def all_rows(report: Report) -> dict[str, ReportRow]:
    return {one.model: one for group in report.groups for one in group.rows}


class TestGroups:
    def test_own_rows_stand_among_published_ones_of_their_recipe(self) -> None:
        known = [published("A", [99, 80, 80, 80, 80]), published("B", [98, 82, 82, 82, 82])]
        report = comparison_table(five("mine", [98.5, 81, 82, 81, 81]), known, {"mine": "ours"})
        (group,) = report.groups
        assert [(one.model, one.origin) for one in group.rows] == [
            ("B", "published"),
            ("mine", "measured here"),
            ("A", "published"),
        ]
        found = all_rows(report)
        # lfw: A > mine > B; agedb: B = mine > A; the other three: B > mine > A.
        assert [found[name].borda for name in ("A", "mine", "B")] == [2, 1 + 1.5 + 3, 0 + 1.5 + 6]
        assert [found[name].average_rank for name in ("A", "mine", "B")] == [3, 2, 1]
        assert found["mine"].average == pytest.approx((98.5 + 81 + 82 + 81 + 81) / 5)
        assert group.best == {"lfw": 99, "cplfw": 82, "agedb": 82, "calfw": 82, "cfp-fp": 82, "average": 85.2}

    def test_the_papers_own_rows(self) -> None:
        known = [one for one in load_published() if one.recipe.name == "hyperface"]
        report = comparison_table(five("mine", [98.67, 85, 87, 90, 90]), known, {"mine": "hyperface"})
        found = all_rows(report)
        assert len(found) == 4  # rows of which only an average is printed cannot stand here
        assert found["HyperFace 50k"].average == pytest.approx((98.27 + 85.60 + 90.40 + 91.48 + 92.24) / 5)
        # lfw: beats 50k, ties 10k; cplfw: beats 10k; agedb: none; calfw and cfp-fp: beat 10k.
        assert found["mine"].borda == 1.5 + 1 + 0 + 1 + 1
        assert "Left out, because no accuracy per set is recorded: HyperFace 10k, 50 images each; SynFace" in str(
            report
        )

    def test_rows_of_different_recipes_share_no_rank_and_no_average(self) -> None:
        known = [published("A", [90] * 5), published("B", [95] * 5, Recipe("theirs"))]
        report = comparison_table(five("mine", [93] * 5), known)
        assert [group.recipe.name for group in report.groups] == ["not stated", "ours", "theirs"]
        for group in report.groups:
            assert len(group.rows) == 1 and not group.is_ranked and group.best == {} and "Not ranked" in group.reason
        assert "**9" not in report.to_markdown() and "textbf" not in report.to_latex()
        assert "nothing is averaged or ranked across recipes" in report.to_markdown()

    def test_rows_without_a_stated_recipe_are_listed_by_source_and_not_ranked(self) -> None:
        known = [
            published("A", [90] * 5, Recipe(), "one paper"),
            published("B", [95] * 5, Recipe(), "one paper"),
            published("C", [96] * 5, Recipe(), "another"),
        ]
        report = comparison_table(five("x", [91] * 5) + five("y", [92] * 5), known)
        assert [[one.model for one in group.rows] for group in report.groups] == [["x", "y"], ["A", "B"], ["C"]]
        assert not any(group.is_ranked or group.best for group in report.groups)
        assert all(one.average is not None and one.borda is None for one in all_rows(report).values())

    @given(
        st.lists(st.tuples(st.sampled_from(["r", "s", "not stated"]), st.integers(80, 84)), min_size=1, max_size=8),
        st.lists(st.tuples(st.sampled_from(["r", "s", "not stated"]), st.integers(80, 84)), max_size=4),
    )
    def test_points_count_rows_of_ones_own_recipe_alone(
        self, theirs: list[tuple[str, int]], mine: list[tuple[str, int]]
    ) -> None:
        known = [published(f"p{i}", [value] * 5, Recipe(name)) for i, (name, value) in enumerate(theirs)]
        own = [one for i, (_, value) in enumerate(mine) for one in five(f"m{i}", [value] * 5)]
        report = comparison_table(own, known, {f"m{i}": name for i, (name, _) in enumerate(mine)})
        everybody = {f"p{i}": one for i, one in enumerate(theirs)} | {f"m{i}": one for i, one in enumerate(mine)}
        found = all_rows(report)
        assert set(found) == set(everybody)
        for model, (recipe, value) in everybody.items():
            rivals = [v for name, (r, v) in everybody.items() if r == recipe and name != model]
            if recipe == "not stated" or not rivals:
                assert found[model].borda is None and found[model].average_rank is None
            else:
                assert found[model].borda == 5 * sum(1.0 * (value > v) + 0.5 * (value == v) for v in rivals)
                assert found[model].borda_rank == found[model].average_rank == 1 + sum(v > value for v in rivals)


class TestWorlds:
    def test_rendered_benchmarks_never_share_a_column_with_photographs(self) -> None:
        own = five("mine", [99] * 5, "rendered-", "rendered") + five("mine", [80] * 5)
        report = comparison_table(own, [published("A", [90] * 5)], {"mine": "ours"})
        rendered, photographs = report.groups
        assert rendered.title.startswith("Rendered") and [one.model for one in rendered.rows] == ["mine"]
        assert set(rendered.columns) == {f"rendered-{name}" for name in FIVE_BENCHMARKS}
        assert [one.model for one in photographs.rows] == ["A", "mine"]
        assert not set(rendered.columns) & set(photographs.columns)
        assert "never put into one column" in report.to_markdown()

    def test_a_rendered_set_under_the_name_of_photographs_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not the photographs of that name"):
            comparison_table([row("mine", "lfw", 90, "rendered")])

    def test_other_sets_stand_by_suite(self) -> None:
        own = [row("a", "rendered-light", 90, "rendered-factors"), row("a", "rendered-age", 80, "rendered-factors")]
        own += [row("b", one.set, 100 * one.accuracy - 1, one.suite) for one in own] + five("a", [70] * 5)
        report = comparison_table(own, recipes={"a": "r", "b": "r"})
        factors, photographs = report.groups
        assert factors.columns == ("rendered-light", "rendered-age") and factors.title.startswith(
            "Suite rendered-factors"
        )
        assert [(one.model, one.average, one.borda) for one in factors.rows] == [
            ("a", pytest.approx(85), 2),
            ("b", pytest.approx(84), 0),
        ]
        assert [one.model for one in photographs.rows] == ["a"]

    def test_fewer_pairs_than_the_published_are_told(self) -> None:
        report = comparison_table([row("m", "lfw", 90, pairs=600), row("m", "cfp-fp", 90)], [published("A", [90] * 5)])
        assert "Fewer pairs than the 6,000 (cfp-fp 7,000) of published rows: m on lfw (600)." in report.remarks


class TestIncompleteRows:
    def test_a_row_without_a_set_is_kept_without_average_and_rank(self) -> None:
        own = five("whole", [90] * 5) + five("part", [99] * 5)[:4] + five("other", [89] * 5)
        failure = Failure("part", "insightface", "cfp-fp", "cfp_fp.bin is damaged.")
        report = comparison_table(own, recipes=dict.fromkeys(("whole", "part", "other"), "r"), failures=[failure])
        (group,) = report.groups
        assert [(one.model, one.average_rank) for one in group.rows] == [("whole", 1), ("other", 2), ("part", None)]
        part = all_rows(report)["part"]
        assert part.average is None and part.borda is None and "cfp-fp" not in part.values
        assert "- Incomplete: part on cfp-fp failed: cfp_fp.bin is damaged." in report.to_markdown()

    def test_fewer_than_five_of_the_five_have_no_average(self) -> None:
        own = [row(model, name, 90) for model in "ab" for name in ("lfw", "agedb")]
        (group,) = comparison_table(own, recipes={"a": "r", "b": "r"}).groups
        assert group.averaged == () and [one.average for one in group.rows] == [None, None]
        assert [one.borda for one in group.rows] == [1.0, 1.0] and "average" not in group.best

    def test_what_cannot_be_told_is_missing(self) -> None:
        (group,) = comparison_table([row("a", "lfw", 90), row("a", "agedb", float("nan"))]).groups
        assert group.columns == ("lfw",)

    def test_two_results_on_one_set_are_refused(self) -> None:
        with pytest.raises(ValueError, match="two results of 'a' on 'lfw'"):
            comparison_table([row("a", "lfw", 90), row("a", "lfw", 91)])

    def test_nothing_gives_an_empty_report(self) -> None:
        assert comparison_table().groups == ()


class TestTexts:
    @pytest.fixture
    def report(self) -> Report:
        known = [published("A_1 & co|", [99.126, 80, 80, 80, 80]), published("B", [98, 82, 82, 82, 82])]
        own = BenchmarkTable(tuple(five("mine", [98.567, 81, 82, 81, 81])))
        return comparison_table(own, known, {"mine": "ours"})

    def test_markdown_reads_back_to_the_numbers(self, report: Report) -> None:
        lines = [line for line in report.to_markdown().split("**Best-threshold")[0].splitlines() if line[:2] == "| "]
        header, *body = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        read = {cells[0]: dict(zip(header, cells, strict=True)) for cells in body}
        found = all_rows(report)
        assert set(read) == {"A_1 & co\\|", "B", "mine"}
        for name, cells in read.items():
            expected = found[name.replace("\\|", "|")]
            for one in FIVE_BENCHMARKS:
                number, *rest = cells[one].replace("**", "").split(" ± ")
                assert float(number) == pytest.approx(expected.values[one].percent, abs=0.005)
                assert rest == (["0.40"] if name == "mine" else [])
            assert float(cells["average"].replace("**", "")) == pytest.approx(expected.average, abs=0.005)
            assert float(cells["Borda"]) == expected.borda
            assert (int(cells["rank"]), int(cells["rank by Borda"])) == (expected.average_rank, expected.borda_rank)
            assert cells["from"] == expected.origin

    def test_the_best_of_every_column_is_bold_ties_included(self, report: Report) -> None:
        text = report.to_markdown()
        assert re.findall(r"\*\*([\d.]+)\*\*", text) == ["82.00"] * 4 + ["85.20", "82.00", "99.13"]
        assert report.to_latex().count(r"\textbf{") == 7

    def test_latex_has_one_row_a_model_with_as_many_cells_as_columns(self, report: Report) -> None:
        text = report.to_latex()
        assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\toprule") == 2
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
        for kind, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
            rows = re.findall(r"^ *(.*) \\\\$", body, re.MULTILINE)
            assert {len(re.split(r"(?<!\\)&", line)) for line in rows} == {len(kind)}
        assert r"A\_1 \& co\textbar{} & published" in text

    def test_best_threshold_accuracy_is_a_table_of_its_own_under_its_name(self, report: Report) -> None:
        tables = report.to_markdown().split("**Best-threshold accuracy")
        assert len(tables) == 2 and "98.67" in tables[1] and "98.67" not in tables[0]
        assert "seen the answers" in tables[1]

    def test_pandas(self, report: Report) -> None:
        pytest.importorskip("pandas", reason="`make install` installs pandas")
        frame = report.to_pandas().set_index("model")
        assert frame.loc["mine", "lfw"] == pytest.approx(98.567)
        assert frame.loc["mine", "lfw std"] == pytest.approx(0.4)
        assert frame.loc["mine", "lfw best threshold"] == pytest.approx(98.667)
        assert frame.loc["B", "origin"] == "published" and frame.loc["B", "average_rank"] == 1
        assert frame.loc["B", "borda"] == all_rows(report)["B"].borda

    def test_published_rates_of_ijb_enter_no_average_and_no_rank(self) -> None:
        values = dict.fromkeys(FIVE_BENCHMARKS, 90.0)
        known = [
            PublishedRow(name, "real", None, None, values, {"ijb-c@1e-4": rate}, OURS, "s", "source")
            for name, rate in (("A", 10.0), ("B", 99.0))
        ]
        (group,) = comparison_table(published=known).groups
        assert [(one.average, one.borda, one.average_rank) for one in group.rows] == [(90.0, 2.5, 1)] * 2
        assert "IJB-C TPR@FPR=1e-4" in comparison_table(published=known).to_markdown()

    def test_every_published_row_that_ships_is_ranked_within_its_recipe(self) -> None:
        report = comparison_table(published=load_published())
        for one, other in itertools.combinations(report.groups, 2):
            assert one.recipe != other.recipe or not one.recipe.is_stated
        assert any(group.is_ranked for group in report.groups)
        assert report.to_markdown().count("\n\n**") == len(report.groups) - 1
