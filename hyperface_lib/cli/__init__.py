"""The command `hyperface`: thin, every command calls one room of the library."""

from .app import app

__all__ = ["app"]
