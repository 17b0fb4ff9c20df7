"""The command `hyperface`: thin, every command calls one room of the library."""

from hyperface_lib.cli.app import app

__all__ = ["app"]
