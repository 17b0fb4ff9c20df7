"""HTML copies of executed notebooks that open in any browser, without Jupyter and without a network."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from hyperface_lib.atomic import atomic_path

_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_SCRIPT = "plotly.min.js"
_PROGRESS_BAR = re.compile(r"\d+%\|.*\[")
# Display formulas may go over lines, those in a text do not; code between backticks is no formula.
_FORMULA = re.compile(r"(`+).*?\1|\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
_MATHJAX = re.compile(r"<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->", re.DOTALL)
_TAG = re.compile(r"\\tag\{(.*?)\}")
_MATH = "http://www.w3.org/1998/Math/MathML"
_LIVE = "<p><em>A live control stands here when the notebook is opened in JupyterLab (<code>make lab</code>).</em></p>"


def write_html(executed: Path) -> Path:
    """Write the HTML copy of a notebook beside it, and plotly's script once for the folder; return the copy."""
    notebook = nbformat.read(executed, as_version=4)
    script = executed.parent / _SCRIPT
    drawn = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_progress_bar(output)]
        for output in cell.get("outputs", []):
            drawn += _made_static(output, first=drawn == 0)
    if drawn and not script.is_file():
        with atomic_path(script) as temporary:
            temporary.write_text(get_plotlyjs(), encoding="utf-8")
    exporter = HTMLExporter(template_name="lab")
    # require.js comes from a network and would take plotly's script for a module of its own.
    exporter.require_js_url = ""
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": executed.stem}})
    target = executed.with_suffix(".html")
    with atomic_path(target) as temporary:
        temporary.write_text(_MATHJAX.sub("", text.replace('<script src=""></script>', "")), encoding="utf-8")
    return target


def with_mathml(text: str) -> str:
    """Replace the TeX formulas of a Markdown text by MathML, which browsers draw without MathJax and its network.

    A formula that cannot be converted stays as it is.
    """
    return _FORMULA.sub(_formula, text)


def _formula(match: re.Match[str]) -> str:
    tex = match["display"] or match["inline"]
    if tex is None:  # code
        return match[0]
    tag = _TAG.search(tex)
    try:
        drawn = mathml(_TAG.sub("", tex).strip(), display="block" if match["display"] else "inline")
        drawn = _limits_below(drawn) if match["display"] else drawn
    except Exception:  # the converter's dozen exceptions have no class in common, and TeX as it stands can be read
        return match[0]
    if match["inline"]:
        return drawn
    number = f'<span style="float: right">({tag[1]})</span>' if tag else ""
    return f'<div style="font-size: 1.15em; margin: 1em 0 1.2em">{number}{drawn}</div>'


def _limits_below(drawn: str) -> str:
    """Put what stands beside a max or min under it, as displayed formulas do."""
    ElementTree.register_namespace("", _MATH)
    root = ElementTree.fromstring(drawn)
    for part in root.iter(f"{{{_MATH}}}msub"):
        if part[0].text in ("max", "min"):
            part.tag = f"{{{_MATH}}}munder"
    return ElementTree.tostring(root, encoding="unicode")


def _is_progress_bar(output: NotebookNode) -> bool:
    """Tell the bars of tqdm from live controls by their text, such as "rendering:  0%|     | 0/838 [00:00<?]"."""
    data = output.get("data", {})
    return _WIDGET in data and _PROGRESS_BAR.search(data.get("text/plain", "")) is not None


def _made_static(output: NotebookNode, first: bool) -> int:
    """Turn a plotly figure or a widget into HTML in place; return the number of figures drawn."""
    data = output.get("data", {})
    if _PLOTLY in data:
        figure = {name: data[_PLOTLY].get(name) for name in ("data", "layout", "frames") if data[_PLOTLY].get(name)}
        text = to_html(figure, full_html=False, include_plotlyjs="directory" if first else False, validate=False)
        output.data = NotebookNode({"text/html": text})
        return 1
    if _WIDGET in data:
        output.data = NotebookNode({"text/html": _LIVE})
    return 0
