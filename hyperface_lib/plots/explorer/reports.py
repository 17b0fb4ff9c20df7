"""Hearing from the browser that it has drawn what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import traitlets


class LiveFigure(go.FigureWidget):
    """A figure that tells the browser what to draw, and asks nothing of it but when it has drawn.

    plotly's own takes over what the browser has filled in, by comparing what is drawn with what was sent. When the
    next frame is already on its way the two differ: half of an array arrives as if it were a default, and from then on
    every report ends in an error.
    """

    @traitlets.observe("_js2py_traceDeltas")
    def _handler_js2py_traceDeltas(self, change: dict[str, Any]) -> None:  # noqa: N802 (plotly's name)
        """Note that the traces are drawn, and leave them as they are."""
        self._trace_edit_in_process = False


class DrawnReports:
    """Calls an action, on the kernel's loop, once a browser reports the last change of a live figure drawn.

    plotly's own `on_edits_completed` waits for a second report, of the layout, which its browser side sends under a
    name the kernel does not know. The report of the traces comes after the drawing, and is enough.
    """

    def __init__(self, widget: LiveFigure, loop: asyncio.AbstractEventLoop) -> None:
        self._widget = widget
        self._loop = loop
        self._wanted = 0
        self._action: Callable[[], None] | None = None
        widget.observe(self._hear, "_js2py_traceDeltas")

    def when_drawn(self, action: Callable[[], None]) -> None:
        """Call `action` when what was sent so far is drawn, in place of the action asked for before."""
        self._wanted, self._action = self._widget._last_trace_edit_id, action

    def _hear(self, change: dict[str, Any]) -> None:
        report = change["new"]
        if report and self._action is not None and report["trace_edit_id"] >= self._wanted:
            action, self._action = self._action, None
            self._loop.call_soon_threadsafe(action)
