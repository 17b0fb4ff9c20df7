"""A live figure that many can be of on one page."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import plotly
import traitlets

from hyperface_lib.plots.explorer.reports import LiveFigure

# plotly's own script is the same 5 MB for every figure, and each figure would have it read anew. anywidget gives up on
# one whose script is not read within two seconds: on a page that shows several at once, as Voila's do, they stand still
# then. This one is read at once; plotly's is read by the first figure, for all.
_SCRIPT = """
const script = (text) => (globalThis.__hyperface_plotly__ ??=
  import(URL.createObjectURL(new Blob([text], { type: "text/javascript" }))));

export default () => {
  let figure;
  const ready = (model) => (figure ??= script(model.get("_plotly_script")).then((loaded) => {
    const widget = loaded.default();
    widget.initialize({ model });
    return widget;
  }));
  return {
    initialize({ model }) { ready(model); },
    async render({ model, el }) { return (await ready(model)).render({ model, el }); },
  };
};
"""


class SharedFigure(LiveFigure):
    """A live figure whose page reads plotly's script once for all of its kind."""

    _esm = _SCRIPT
    _plotly_script = traitlets.Unicode().tag(sync=True)

    @traitlets.default("_plotly_script")
    def _default_plotly_script(self) -> Any:
        return _plotly_script()


@functools.cache
def _plotly_script() -> str:
    return (Path(plotly.__file__).parent / "package_data" / "widgetbundle.js").read_text(encoding="utf-8")
