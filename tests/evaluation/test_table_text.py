"""Tables as text: escaped so that any name survives, and read back to what went in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.evaluation.table_text import (
    Cell,
    TextTable,
    escape_latex,
    escape_markdown,
    latex_text,
    markdown_text,
)

HOSTILE = r"a_b & 50% $x$ #1 {q} ~^ \input{x} <b>|--- [2] *y* `z`"
TABLE = TextTable(
    title="Recipe a_b",
    columns=("model", "lfw"),
    numeric=(False, True),
    rows=((Cell("net_1"), Cell("98.10", True, "± 0.20")), (Cell("[2] & co"), Cell("97.00"))),
    remarks=("100 % of it.",),
)


def plain_latex(text: str) -> str:
    """Undo the escapes of LaTeX with rules of this test's own."""
    words = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
    }
    text = re.sub(r"\$\\pm\$", "±", text)
    return re.sub(
        r"\\(text[a-z]+)\{\}|\\([&%$#_{}])|\{([\[*])\}|-\{\}(?=-)",
        lambda match: words[match[1]] if match[1] else match[2] or match[3] or "-",
        text,
    )


def tidy(text: str) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


@given(st.text(alphabet=st.sampled_from("ab1 _&%$#{}~^\\<>|-[]*`±\n\x00é"), max_size=20))
def test_latex_reads_back_and_its_braces_balance(text: str) -> None:
    escaped = escape_latex(text)
    assert plain_latex(escaped) == tidy(text)
    bare = re.sub(r"\\[&%$#_{}]", "", escaped)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert not set(re.sub(r"\$\\pm\$", "", bare)) & set("&%$#_~^<>|")


@given(st.text(alphabet=st.sampled_from("ab1 _|\\*`<[]\n-"), max_size=20))
def test_markdown_reads_back_and_no_cell_ends_early(text: str) -> None:
    escaped = escape_markdown(text)
    assert re.sub(r"\\([\\`*|<\[\]_])", r"\1", escaped) == tidy(text)
    assert "|" not in re.sub(r"\\.", "", escaped)


def test_golden_markdown() -> None:
    assert markdown_text([TABLE], ["One remark."]) == (
        "**Recipe a_b**\n\n"
        "| model | lfw |\n|:---|---:|\n"
        "| net_1 | **98.10** ± 0.20 |\n| \\[2\\] & co | 97.00 |\n\n"
        "- 100 % of it.\n\n- One remark.\n"
    )


def test_golden_latex() -> None:
    expected = r"""
% needs \usepackage{booktabs}

\begin{table}
  \centering
  \caption{Recipe a\_b}
  \begin{tabular}{lr}
    \toprule
    model & lfw \\
    \midrule
    net\_1 & \textbf{98.10} $\pm$ 0.20 \\
    {[}2] \& co & 97.00 \\
    \bottomrule
  \end{tabular}
  \par\smallskip\footnotesize 100 \% of it.
\end{table}

\noindent One remark.
"""
    assert latex_text([TABLE], ["One remark."]) == expected.lstrip("\n")


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 2 cells were expected, found 1"):
        TextTable("t", ("a", "b"), (False, True), ((Cell("x"),),))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is missing: `apt-get install texlive`")
def test_a_hostile_name_compiles(tmp_path: Path) -> None:
    table = TextTable(HOSTILE, ("model",), (False,), ((Cell(HOSTILE, True),), (Cell("[x]"),)), (HOSTILE,))
    text = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + latex_text([table]) + "\\end{document}"
    (tmp_path / "t.tex").write_text(text)
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:]
