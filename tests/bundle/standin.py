"""Runs a source notebook as plain Python: `python standin.py notebook.py name=value...`.

What stands in for `dbutils` is the three lines of `Widgets`: a notebook that needs more is not plain Python.
"""

from __future__ import annotations

import runpy
import sys
from types import SimpleNamespace


class Widgets:
    def __init__(self, given: dict[str, str]) -> None:
        self.values = given
        self.text = self.dropdown = lambda name, default, *_more: self.values.setdefault(name, default)
        self.get = self.values.__getitem__


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    runpy.run_path(sys.argv[1], init_globals={"dbutils": SimpleNamespace(widgets=Widgets(given))}, run_name="__main__")
