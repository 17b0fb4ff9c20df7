"""`hyperface evaluate`: recognisers on benchmark suites, as a table, and beside what others have published."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperface_lib.assets import cache_folder
from hyperface_lib.atomic import atomic_path
from hyperface_lib.cli.output import RENDERED_NOTE, Device, JsonFile, console, save, show

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder
    from hyperface_lib.evaluation import BenchmarkTable, Failure, Recipe, Report, Suite


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fits a terminal, in per cent; the JSON keeps fractions and everything else."""
    return {
        "model": record["model"],
        "set": record["set"],
        "accuracy %": f"{100 * record['accuracy']:.2f} ± {100 * record['accuracy_std']:.2f}",
        "std error": f"{100 * record['standard_error']:.2f}",
        "pairs": record["pairs"],
        "TPR@1e-3 %": "" if record["tpr_at_fpr_1e-3"] is None else f"{100 * record['tpr_at_fpr_1e-3']:.1f}",
        "skipped": record["skipped"],
    }


def evaluate(
    embedder: Annotated[
        str, typer.Argument(help='"reference", "judge", "dlib", "net:PATH", "iresnet50:PATH", "onnx:PATH"')
    ],
    suites: Annotated[
        list[str],
        typer.Argument(
            metavar="SUITE...",
            help='"rendered", "rendered-factors", "pairs:FOLDER", "insightface:FOLDER", "ijb:FOLDER"',
        ),
    ],
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="EMBEDDER", help="a further recogniser; may be repeated")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help='what all of them were trained by, the paper\'s is "hyperface"; only rows of one recipe are ranked',
        ),
    ] = None,
    beside_published: Annotated[
        bool, typer.Option("--beside-published", help="put published rows into the report as well")
    ] = False,
    pairs: Annotated[
        int, typer.Option(help="pairs of a rendered set; 600 is quick, its standard error 1.2 points")
    ] = 6000,
    device: Device = "auto",
    json_file: JsonFile = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="also write the report to FILE as Markdown")
    ] = None,
    latex_file: Annotated[
        Path | None, typer.Option("--latex", metavar="FILE", help="also write the report to FILE as LaTeX (booktabs)")
    ] = None,
    figure_file: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="also draw the report to FILE, an HTML page")
    ] = None,
) -> None:
    """Score EMBEDDER on every SUITE: pairs by the ten-fold protocol, one row a set; IJB by templates, a table each."""
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.evaluation import (
        comparison_table,
        evaluate_each_ijb,
        is_ijb,
        load_ijb,
        load_published,
        load_suite,
    )

    _check_files(json_file, markdown_file, latex_file, figure_file)
    specs = _different("embedders", [embedder, *(also or [])])
    loaded = [load_suite(suite, pairs=pairs) for suite in suites if not is_ijb(suite)]
    ijb = [load_ijb(suite) for suite in suites if is_ijb(suite)]
    _different("sets", [*(name for suite in loaded for name in suite.sets), *(meta.name for meta in ijb)])
    if not loaded and (latex_file or figure_file):
        raise ValueError("--latex and --figure show suites of pairs, and only ijb:FOLDER is named.")
    # the evaluator adds the mirror image itself
    models = [load_embedder(spec, device=device, flip=False) for spec in specs]
    published = load_published() if beside_published else ()
    table, failures = _measure(models, loaded)
    cache = cache_folder() / "ijb" if ijb else None
    by_templates, failed = evaluate_each_ijb(models, ijb, cache=cache, progress=True)
    averages, failures = _averages(table, failures), failures + failed
    if table.rows or by_templates:
        report = comparison_table(table, published, _recipes(models, recipe), failures)
        records = table.to_records()
        # Files before the screen: a reader that goes away (`| head`) must not cost the results.
        marks = {"failures": [vars(failure) for failure in failures]} if failures else {}
        marks |= {"ijb": [record for result in by_templates for record in result.to_records()]} if ijb else {}
        save(json_file, {"rows": records, "average": averages, **marks})
        texts = (report.to_markdown, *(result.to_markdown for result in by_templates))
        _write(markdown_file, lambda: "\n".join(text() for text in texts))
        _write(latex_file, report.to_latex)
        _draw(figure_file if table.rows else None, report)
        _print(f"{', '.join(specs)} on {', '.join(suites)}", records, averages)
        if len(specs) > 1 or published:
            _print_report(report)
        for result in by_templates:
            show(f"{result.model} on {result.benchmark} (per cent)", result.table())
            for remark in result.remarks():
                console().print(remark, markup=False)
    for failure in failures:
        typer.echo(f"hyperface: {failure}", err=True)
    if failures:
        raise typer.Exit(2)


def _measure(models: Sequence[Embedder], suites: Sequence[Suite]) -> tuple[BenchmarkTable, tuple[Failure, ...]]:
    """Score every model on every suite; a set that fails is a failure of its own and stops nothing else."""
    from hyperface_lib.evaluation import BenchmarkTable, evaluate_each_set
    from hyperface_lib.evaluation import evaluate as evaluate_or_raise

    table = BenchmarkTable(())
    failures: tuple[Failure, ...] = ()
    for model in models:
        for suite in suites:
            if os.environ.get("HYPERFACE_DEBUG"):  # its promise is a traceback
                table = table + evaluate_or_raise(model, suite, progress=True)
                continue
            measured, failed = evaluate_each_set(model, suite, progress=True)
            table, failures = table + measured, failures + failed
    return table, failures


def _averages(table: BenchmarkTable, failures: Sequence[Failure]) -> dict[str, float | None]:
    """Give model -> average accuracy, None for a model of which a set is missing."""
    incomplete = {failure.model for failure in failures}
    return {name: None if name in incomplete or math.isnan(value) else value for name, value in table.average.items()}


def _recipes(models: Sequence[Embedder], name: str | None) -> dict[str, Recipe | str]:
    """Give the recipe named on the command line, or else the one that a recogniser's own file carries."""
    from hyperface_lib.evaluation import recipe_of_metadata

    if name is not None:
        return {model.name: name for model in models}
    return {model.name: recipe_of_metadata(getattr(model, "metadata", {})) for model in models}


def _different(what: str, names: Sequence[str]) -> Sequence[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Different {what} were expected, found {twice!r} twice.")
    return names


def _check_files(*files: Path | None) -> None:
    """Refuse what cannot be written before hours are spent on it."""
    for file in files:
        if file is not None and file.is_dir():
            raise IsADirectoryError(f"{file} was expected to be a file to write, found a folder.")


def _print(title: str, records: Sequence[Mapping[str, Any]], averages: Mapping[str, float | None]) -> None:
    rows = [_shown(record) for record in records]
    for name, value in averages.items():
        if len(rows) > 1 and value is not None:
            rows.append({"model": name, "set": "average", "accuracy %": f"{100 * value:.2f}"})
    show(title, rows)
    if any(record["set"].startswith("rendered") for record in records):
        console().print(RENDERED_NOTE)


def _print_report(report: Report) -> None:
    """Print how the measured rows compare, a table a group, and why some have no rank; files hold the other groups."""
    measured = [group for group in report.groups if any(row.origin != "published" for row in group.rows)]
    for group in measured:
        rows = [
            {
                "model": row.model,
                "from": row.origin,
                "average %": "" if row.average is None else f"{row.average:.2f}",
                "rank": row.average_rank,
                "Borda": "" if row.borda is None else f"{row.borda:g}",
                "rank by Borda": row.borda_rank,
            }
            for row in group.rows
        ]
        show(group.title, rows)
        for remark in filter(None, (group.reason, *group.remarks)):
            console().print(remark, markup=False)
    apart = sum(len(group.rows) for group in report.groups if group not in measured)
    if apart:
        console().print(
            f"{apart} published rows compare with none of these and stand apart: --markdown and --latex show them."
        )
    for remark in report.remarks:
        console().print(remark, markup=False)


def _write(file: Path | None, text: Callable[[], str]) -> None:
    if file is not None:
        with atomic_path(file) as temporary:
            temporary.write_text(text(), encoding="utf-8")


def _draw(file: Path | None, report: Report) -> None:
    if file is not None:
        from hyperface_lib.plots import benchmark_table_figure

        figure = benchmark_table_figure(report)
        _write(file, lambda: figure.to_html(include_plotlyjs=True, full_html=True))
