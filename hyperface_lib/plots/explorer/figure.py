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
#
# A scene that the reader turns with the mouse is put back by every frame to where the last turn has left it: the figure
# says when it is held, and whoever draws into it waits. A turn of the wheel has no end but that no other follows.
_SCRIPT = """
const script = (text) => (globalThis.__hyperface_plotly__ ??=
  import(URL.createObjectURL(new Blob([text], { type: "text/javascript" }))));

const tellWhenHeld = (model, el) => {
  const held = (value) => {
    if (model.get("is_held") !== value) { model.set("is_held", value); model.save_changes(); }
  };
  let wheel;
  const down = () => { clearTimeout(wheel); held(true); };
  const up = (event) => { if (event?.type !== "blur" || event.target === window) held(false); };
  const turned = () => { down(); wheel = setTimeout(up, 400, null); };
  const leaving = ["pointerup", "pointercancel", "blur"];
  el.addEventListener("pointerdown", down, true);
  el.addEventListener("wheel", turned, { capture: true, passive: true });
  leaving.forEach((name) => window.addEventListener(name, up, true));
  return () => {
    clearTimeout(wheel);
    el.removeEventListener("pointerdown", down, true);
    el.removeEventListener("wheel", turned, { capture: true });
    leaving.forEach((name) => window.removeEventListener(name, up, true));
  };
};

export default () => {
  let figure;
  const ready = (model) => (figure ??= script(model.get("_plotly_script")).then((loaded) => {
    const widget = loaded.default();
    widget.initialize({ model });
    return widget;
  }));
  return {
    initialize({ model }) { ready(model); },
    async render({ model, el }) {
      const forget = tellWhenHeld(model, el);
      const leave = await (await ready(model)).render({ model, el });
      return () => { forget(); if (typeof leave === "function") leave(); };
    },
  };
};
"""


class SharedFigure(LiveFigure):
    """A live figure whose page reads plotly's script once for all of its kind; `is_held` while the mouse turns it."""

    _esm = _SCRIPT
    is_held = traitlets.Bool(False).tag(sync=True)
    _plotly_script = traitlets.Unicode().tag(sync=True)

    @traitlets.default("_plotly_script")
    def _default_plotly_script(self) -> Any:
        return _plotly_script()


@functools.cache
def _plotly_script() -> str:
    return (Path(plotly.__file__).parent / "package_data" / "widgetbundle.js").read_text(encoding="utf-8")
