"""The commands by name, and how an error of the library reaches the person: one line, no traceback."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hyperface_lib import __version__
from hyperface_lib.cli import doctor, estimate, evaluate, faces, formats, quality, run, sphere, synthesis, training

LIBRARY_ERRORS = (ValueError, TypeError, KeyError, OSError, RuntimeError, ImportError, MemoryError)


class OneLineErrors(TyperGroup):
    """Print an error as one line "hyperface: ..." and exit with 2; $HYPERFACE_DEBUG brings the traceback back."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except LIBRARY_ERRORS as problem:
            if os.environ.get("HYPERFACE_DEBUG"):
                raise
            typer.echo(f"hyperface: {_one_line(problem)}", err=True)
            raise typer.Exit(2) from problem


def _one_line(problem: BaseException) -> str:
    if isinstance(problem, ModuleNotFoundError):
        return f"the Python package {problem.name!r} is missing: `make install` in the kit's folder installs everything"
    text = " ".join(str(problem).split())
    # A bare key or an empty message says nothing without its kind.
    return text if " " in text else f"{type(problem).__name__}: {text}"


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make face-recognition training sets by packing identities on the embedding hypersphere.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hyperface {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="print the version and stop")
    ] = False,
) -> None:
    pass


app.command("run")(run.run)
app.command("lab", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run.lab)
app.command("render")(faces.render)
app.command("pack")(sphere.pack)
app.command("generate")(synthesis.generate)
app.command("score-generator")(synthesis.score_generator)
app.command("train")(training.train)
app.command("evaluate")(evaluate.evaluate)
app.command("leaks")(quality.leaks)
app.command("uniqueness")(quality.uniqueness)
app.command("convert")(formats.convert)
app.command("inspect")(formats.inspect)
app.command("estimate")(estimate.estimate)
app.command("doctor")(doctor.doctor)
