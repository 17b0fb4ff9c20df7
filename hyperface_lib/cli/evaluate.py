"""`hyperface evaluate`: a recogniser on benchmark suites."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from .output import RENDERED_NOTE, Device, JsonFile, console, save, show

_SHOWN = ("model", "set", "accuracy", "accuracy_std", "standard_error", "pairs", "tpr_at_fpr_1e-3", "eer", "skipped")


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
    from ..embedding import load_embedder
    from ..evaluation import BenchmarkTable, load_suite
    from ..evaluation import evaluate as score

    loaded = [load_suite(suite, pairs=pairs) for suite in suites]
    model = load_embedder(embedder, device=device, flip=False)  # the evaluator adds the mirror image itself
    table = BenchmarkTable(())
    for suite in loaded:
        table = table + score(model, suite, progress=True)
    records = table.to_records()
    averages = {name: None if math.isnan(value) else value for name, value in table.average.items()}
    rows: list[dict[str, Any]] = [{name: record.get(name) for name in _SHOWN} for record in records]
    if len(rows) > 1:
        rows += [{"model": name, "set": "average", "accuracy": value} for name, value in averages.items()]
    show(f"{embedder} on {', '.join(suites)}", rows)
    if any(record["set"].startswith("rendered") for record in records):
        console().print(RENDERED_NOTE)
    save(json_file, {"rows": records, "average": averages})
