"""Kills its process at a named function, and shifts its clock, as the faults say.

Python imports it at the start of every program of the playground. CRASH_AT lists
`module:function:when`. The next process that gets there while CRASH_FOLDER has a file
of that name dies.
"""

import functools
import importlib.abc
import importlib.util
import os
import runpy
import signal
import sys
from pathlib import Path

_POINTS = [point.split(":") for point in os.environ.get("CRASH_AT", "").split()]


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the functions of a module before any other module imports them."""

    def __init__(self, name):
        self._name = name

    def find_spec(self, name, path, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_wrap(module):
            load(module)
            for of, function, when in _POINTS:
                if of == self._name:
                    _wrap(module, function, when)

        spec.loader.exec_module = load_and_wrap
        return spec


def _wrap(module, path, when):
    *outer, name = path.split(".")
    owner = functools.reduce(getattr, outer, module)
    function = getattr(owner, name)
    file = Path(os.environ["CRASH_FOLDER"], f"{module.__name__}:{path}:{when}")

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        if when == "before":
            _die_if(file)
        result = function(*args, **kwargs)
        if when == "after":
            _die_if(file)
        return result

    setattr(owner, name, wrapped)


def _die_if(file):
    try:
        file.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


sys.meta_path[:0] = [_Finder(name) for name in sorted({point[0] for point in _POINTS})]
if "CLOCK_AHEAD_S" in os.environ:
    runpy.run_path(
        str(Path(__file__).parents[2] / "e2e" / "fast_clock" / "sitecustomize.py")
    )
