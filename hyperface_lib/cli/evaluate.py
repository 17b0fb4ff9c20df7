"""`hyperface evaluate`: a recogniser on benchmark suites."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hyperface_lib.cli.output import RENDERED_NOTE, Device, JsonFile, console, save, show


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fits a terminal, in per cent; the JSON keeps fractions and everything else."""
    return {
        "model": record["model"],
        "set": record["set"],
        "accuracy %": f"{100 * record['accuracy']:.2f} ± {100 * record['accuracy_std']:.2f}",
        "std error": f"{100 * record['standard_error']:.2f}",
        "pairs": record["pairs"],
        "TPR@1e-3 %": f"{100 * record['tpr_at_fpr_1e-3']:.1f}",
        "skipped": record["skipped"],
    }


def evaluate(
    embedder: Annotated[
        str, typer.Argument(help='"reference", "judge", "dlib", "net:PATH", "iresnet50:PATH", "onnx:PATH"')
    ],
    suites: Annotated[
        list[str], typer.Argument(metavar="SUITE...", help='"rendered", "rendered-factors", "pairs:FOLDER"')
    ],
    pairs: Annotated[
        int, typer.Option(help="pairs of a rendered set; 600 is quick, its standard error 1.2 points")
    ] = 6000,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Score EMBEDDER on every SUITE by the ten-fold protocol and print one row a set."""
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.evaluation import BenchmarkTable, load_suite
    from hyperface_lib.evaluation import evaluate as score

    loaded = [load_suite(suite, pairs=pairs) for suite in suites]
    model = load_embedder(embedder, device=device, flip=False)  # the evaluator adds the mirror image itself
    table = BenchmarkTable(())
    for suite in loaded:
        table = table + score(model, suite, progress=True)
    records = table.to_records()
    averages = {name: None if math.isnan(value) else value for name, value in table.average.items()}
    rows = [_shown(record) for record in records]
    for name, value in averages.items():
        if len(rows) > 1 and value is not None:
            rows.append({"model": name, "set": "average", "accuracy %": f"{100 * value:.2f}"})
    show(f"{embedder} on {', '.join(suites)}", rows)
    if any(record["set"].startswith("rendered") for record in records):
        console().print(RENDERED_NOTE)
    save(json_file, {"rows": records, "average": averages})
