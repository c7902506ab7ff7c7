"""The commands. Each lives in a module of its own, which is imported when it is called and not before."""

from antiphon.cli.group import main

__all__ = ["main"]
