"""Widget callbacks on the loop that owns the picture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import ipywidgets


class Marshal:
    """Takes what a widget asks for to the kernel's own loop: messages may arrive on another thread.

    Without a loop an action runs at once. A ValueError of an action goes to `say`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None, say: Callable[[Exception], None]) -> None:
        self._loop = loop
        self._say = say
        self._setting_thread: int | None = None

    def callback(self, action: Callable[[], object]) -> Callable[[object], None]:
        """Return `action` as a callback for `observe` and `on_click`."""

        def guarded() -> None:
            try:
                action()
            except ValueError as problem:
                self._say(problem)

        def on_event(_event: object) -> None:
            if self._setting_thread == threading.get_ident():
                return
            if self._loop is None:
                guarded()
            else:
                self._loop.call_soon_threadsafe(guarded)

        return on_event

    def set(self, control: ipywidgets.Widget, **values: object) -> None:
        """Change a control without hearing of it as if the reader had."""
        self._setting_thread = threading.get_ident()
        try:
            for name, value in values.items():
                setattr(control, name, value)
        finally:
            self._setting_thread = None
