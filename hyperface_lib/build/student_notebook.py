"""The student version of a lab, made from the teacher's: `python -m hyperface_lib.build.student_notebook`.

Three tags say what differs. `exercise`: a code cell whose functions keep name, arguments and docstring, and lose their
bodies. `answers`: a text cell of numbered questions in italics, which keeps them and loses the rest. `teacher`: a cell
that is left out. Outputs are left out too; `python -m hyperface_lib.build.notebook_outputs` stores the student's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.atomic import atomic_path

# The labs that have one, in notebooks/labs.
STUDENT_VERSIONS = {"margin_losses": "margin_losses_student"}
BLANK = 'raise NotImplementedError("write this function")'
_INVITATION = (
    "**This is the student version.** Some functions are empty: write them where `NotImplementedError` is raised. The "
    "cell after each one checks it, and says *right*, *still to be written*, or where it differs. The rest of the "
    "notebook runs without them."
)


def student_version(teacher: NotebookNode) -> NotebookNode:
    """Return a copy of the teacher's notebook with functions to write and questions to answer.

    Raises ValueError for an exercise without a function, or whose function has no docstring to say what is wanted.
    """
    cells = [_student_cell(cell) for cell in teacher.cells if "teacher" not in _tags(cell)]
    title, _, story = cells[0].source.partition("\n")
    cells[0].source = f"{title}, to fill in\n\n{_INVITATION}\n{story}"
    return nbformat.v4.new_notebook(cells=cells, metadata=dict(teacher.metadata))


def blanked(source: str) -> str:
    """Return the code with the body of every function replaced; signature and docstring stay.

    Raises ValueError for code without a function, or for a function without a docstring.
    """
    lines = source.splitlines()
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if not functions:
        raise ValueError(f"an exercise needs a function to write, found {source[:60]!r}")
    for function in reversed(functions):
        if ast.get_docstring(function) is None:
            raise ValueError(f"the exercise {function.name!r} needs a docstring that says what to write, found none")
        docstring = function.body[0]
        lines[docstring.end_lineno : function.end_lineno] = [" " * docstring.col_offset + BLANK]
    return "\n".join(lines)


def questions_alone(text: str) -> str:
    """Return numbered questions in italics without what follows them in their lines."""
    return re.sub(r"^(\d+\. \*[^*\n]+\*).*$", r"\1", text, flags=re.MULTILINE)


def _student_cell(cell: NotebookNode) -> NotebookNode:
    source, tags = cell.source, _tags(cell)
    if "exercise" in tags:
        source = blanked(source)
    if "answers" in tags:
        source = questions_alone(source)
    metadata = {"tags": tags} if tags else {}
    if cell.cell_type == "code":
        return nbformat.v4.new_code_cell(source, id=cell.id, metadata=metadata)
    pictures = {"attachments": cell.attachments} if cell.get("attachments") else {}
    return nbformat.v4.new_markdown_cell(source, id=cell.id, metadata=metadata, **pictures)


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def main(names: Sequence[str] = tuple(STUDENT_VERSIONS), folder: Path | None = None) -> None:
    """Write the student versions of the labs named, beside them in `folder`, notebooks/labs by default."""
    place = folder or notebooks_folder() / "labs"
    for name in names:
        student = student_version(nbformat.read(place / f"{name}.ipynb", as_version=4))
        nbformat.validate(student)
        with atomic_path(place / f"{STUDENT_VERSIONS[name]}.ipynb") as temporary:
            temporary.write_text(nbformat.writes(student) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
