"""Tables of text as Markdown and as LaTeX (booktabs): titles, cells, bold ones, remarks below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    # At the start of a row they would be taken for arguments of the end of the row before.
    "[": "{[}",
    "*": "{*}",
}
_MARKDOWN = re.compile(r"([\\`*|<\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


@dataclass(frozen=True)
class Cell:
    """A text, and whether it is the best of its column; `detail` follows it and is never bold ("± 0.12")."""

    text: str
    bold: bool = False
    detail: str = ""


@dataclass(frozen=True)
class TextTable:
    """A title, the names of the columns (numeric ones right-aligned), the rows, and remarks that belong below."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows of another width than the columns, with ValueError."""
        for row in (self.numeric, *self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: rows of {len(self.columns)} cells were expected, found {len(row)}.")


def markdown_text(tables: Sequence[TextTable], remarks: Sequence[str] = ()) -> str:
    """Write tables one below the other as GitHub Markdown, `remarks` as a list at the end."""
    parts = [_markdown_table(table) for table in tables]
    if remarks:
        parts.append("\n".join(f"- {escape_markdown(one)}" for one in remarks))
    return "\n\n".join(parts) + "\n"


def latex_text(tables: Sequence[TextTable], remarks: Sequence[str] = ()) -> str:
    r"""Write tables as LaTeX floats, for a document with \usepackage{booktabs}; `remarks` follow as a paragraph."""
    parts = ["% needs \\usepackage{booktabs}", *(_latex_table(table) for table in tables)]
    if remarks:
        parts.append("\\noindent " + "\n".join(escape_latex(one) for one in remarks))
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """Escape what Markdown would read as its own, line breaks included."""
    return _MARKDOWN.sub(r"\\\1", _printable(text))


def escape_latex(text: str) -> str:
    """Escape what LaTeX would read as its own, line breaks included; other letters stay as they are (UTF-8)."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in _printable(text))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would become a dash


def _printable(text: str) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _markdown_table(table: TextTable) -> str:
    lines = [f"**{escape_markdown(table.title)}**", ""]
    lines.append("| " + " | ".join(escape_markdown(name) for name in table.columns) + " |")
    lines.append("|" + "|".join("---:" if numeric else ":---" for numeric in table.numeric) + "|")
    for row in table.rows:
        lines.append("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |")
    if table.remarks:
        lines += ["", *(f"- {escape_markdown(one)}" for one in table.remarks)]
    return "\n".join(lines)


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    text = f"**{text}**" if cell.bold and text else text
    return f"{text} {escape_markdown(cell.detail)}" if cell.detail else text


def _latex_table(table: TextTable) -> str:
    rows = [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows]
    remarks = [r"  \par\smallskip\footnotesize " + " ".join(escape_latex(one) for one in table.remarks)]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape_latex(table.title)}}}",
            rf"  \begin{{tabular}}{{{''.join('r' if numeric else 'l' for numeric in table.numeric)}}}",
            r"    \toprule",
            "    " + " & ".join(escape_latex(name) for name in table.columns) + r" \\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            *(remarks if table.remarks else []),
            r"\end{table}",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    text = rf"\textbf{{{text}}}" if cell.bold and text else text
    return f"{text} {escape_latex(cell.detail)}" if cell.detail else text
