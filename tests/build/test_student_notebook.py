"""The student version: it is what the teacher's becomes, its blanks are told from right and wrong answers."""

import contextlib
import io
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.build.student_notebook import (
    BLANK,
    STUDENT_VERSIONS,
    blanked,
    main,
    questions_alone,
    student_version,
)


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(notebooks_folder() / "labs" / f"{name}.ipynb", as_version=4)


def contents(notebook: nbformat.NotebookNode) -> list[tuple[str, str, str, list[str]]]:
    return [(c.id, c.cell_type, c.source, list(c.metadata.get("tags", []))) for c in notebook.cells]


@pytest.mark.parametrize("name", STUDENT_VERSIONS)
def test_the_student_version_is_the_one_the_teachers_becomes(name: str) -> None:
    made = student_version(read(name))
    assert contents(made) == contents(read(STUDENT_VERSIONS[name])), "python -m hyperface_lib.build.student_notebook"


def test_writing_again_changes_nothing_but_outputs(tmp_path: Path) -> None:
    for name in STUDENT_VERSIONS:
        shutil.copy(notebooks_folder() / "labs" / f"{name}.ipynb", tmp_path)
    main(folder=tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.glob("*.ipynb")}
    main(folder=tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.ipynb")} == first
    for name in STUDENT_VERSIONS.values():
        cells = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4).cells
        assert all(cell.execution_count is None and not cell.outputs for cell in cells if cell.cell_type == "code")


def test_bodies_go_and_signatures_and_docstrings_stay() -> None:
    source = (
        "import math\n\n\ndef area(radius, *, scale=1.0):\n"
        '    """Return the area\n    of a disc."""\n    # by hand\n    return scale * math.pi * radius**2\n\n\n'
        'def twice(x):\n    """Return 2 x."""\n    return 2 * x\n'
    )
    assert blanked(source) == (
        "import math\n\n\ndef area(radius, *, scale=1.0):\n"
        f'    """Return the area\n    of a disc."""\n    {BLANK}\n\n\n'
        f'def twice(x):\n    """Return 2 x."""\n    {BLANK}'
    )


def test_questions_stay_and_answers_go() -> None:
    text = "## Questions\n\n1. *Why?* Because.\n2. *How, at $\\theta = 0$?* Like this: $x^2$.\n\n## Next"
    assert questions_alone(text) == "## Questions\n\n1. *Why?*\n2. *How, at $\\theta = 0$?*\n\n## Next"


def test_what_is_for_the_teacher_is_left_out_and_outputs_too() -> None:
    shown = new_code_cell("print(1)", execution_count=1, outputs=[nbformat.v4.new_output("stream", text="1\n")])
    teacher = new_notebook(
        cells=[
            new_markdown_cell("# Lab: a\n\nStory."),
            new_markdown_cell("Hints.", metadata={"tags": ["teacher"]}),
            shown,
        ]
    )
    title, code = student_version(teacher).cells
    assert title.source.startswith("# Lab: a, to fill in\n\n**This is the student version.**")
    assert title.source.endswith("\n\nStory.")
    assert code.source == "print(1)" and code.outputs == [] and code.execution_count is None
    assert shown.outputs and teacher.cells[0].source == "# Lab: a\n\nStory.", "the teacher's stays as it was"


def test_an_exercise_without_a_function_or_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a function to write, found 'x = 1'"):
        blanked("x = 1")
    with pytest.raises(ValueError, match=r"'f' needs a docstring"):
        blanked("def f(x):\n    return x")


def cell_pairs(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Each exercise with the check after it."""
    cells = notebook.cells
    pairs = [(cells[k], cells[k + 1]) for k in range(len(cells)) if "exercise" in cells[k].metadata.get("tags", [])]
    assert pairs and all("with exercise(" in check.source for _, check in pairs)
    return [(exercise.source, check.source) for exercise, check in pairs]


def space(notebook: nbformat.NotebookNode) -> dict[str, object]:
    """Names as they are after the notebook's first cells, up to the first exercise."""
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            break
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names


def said(source: str, check: str, names: dict[str, object]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(source, names)
        exec(check, names)
    return out.getvalue()


def test_each_check_tells_right_from_missing() -> None:
    teacher, student = read("margin_losses"), read("margin_losses_student")
    right, missing = space(teacher), space(student)
    for (solution, check), (blank, same_check) in zip(cell_pairs(teacher), cell_pairs(student), strict=True):
        assert check == same_check and BLANK in blank and BLANK not in solution
        answers = said(solution, check, right).splitlines()
        assert answers and all(line.endswith(": right") for line in answers)
        blanks = said(blank, check, missing).splitlines()
        assert [line.split(":")[0] for line in blanks] == [line.split(":")[0] for line in answers]
        assert all(line.endswith(": still to be written") for line in blanks)


WRONG = {
    "np.cos(theta) - margin_cosine": "np.cos(theta) + margin_cosine",
    "np.cos(theta + margin_radians)\n\n\ndef sphereface": "np.cos(theta - margin_radians)\n\n\ndef sphereface",
    "return (-1) ** k * np.cos(margin_factor * theta) - 2 * k": "return np.cos(margin_factor * theta)",
    "return theta_1 + margin_radians": "return theta_1",
    "np.arccos(np.cos(theta_1) - margin_cosine)": "np.arccos(np.cos(theta_1)) + margin_cosine",
    "margin_radians * own": "margin_radians",
    "np.cos(theta) - margin_radians * np.sin(margin_radians)": "np.cos(theta) - np.sin(margin_radians)",
    "np.where(np.cos(theta) > 0,": "np.where(np.cos(theta) < 0,",
    "origin + (value - origin).detach()": "value",
    "/ (1 + softmax_share)": "/ softmax_share",
    "(cosines > target) &": "(cosines > cosines[label]) &",
    "(cosines + 1) * mask": "cosines * mask",
}


@pytest.mark.parametrize("part", WRONG)
def test_each_check_finds_a_wrong_answer(part: str) -> None:
    teacher = read("margin_losses")
    names = space(teacher)
    ((solution, check),) = [pair for pair in cell_pairs(teacher) if part in pair[0] + "\n"]
    with pytest.raises(AssertionError):
        said((solution + "\n").replace(part, WRONG[part]), check, names)
