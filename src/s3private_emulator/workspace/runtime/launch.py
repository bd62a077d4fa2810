"""Runs one task inside its environment: a wheel's entry point, a notebook, or a Python file, as serverless does.

Only the standard library is used, and nothing of the emulator: this file and its neighbours are all of Databricks'
runtime that a task can see.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import json
import os
import signal
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
PR_SET_PDEATHSIG = 1


def wheel(task: dict[str, Any]) -> None:
    """The named entry point, else the package's own function of that name. What it returns is not looked at.
    https://docs.databricks.com/api/workspace/jobs/create (python_wheel_task)"""
    package, name = task["package_name"], task["entry_point"]
    sys.argv = [package, *task["argv"]]
    try:
        points = [point for point in importlib.metadata.distribution(package).entry_points if point.name == name]
    except importlib.metadata.PackageNotFoundError:
        points = []
    if points:
        function: Callable[[], object] = points[0].load()
    else:
        try:
            function = getattr(importlib.import_module(package), name)
        except (ImportError, AttributeError):
            raise RuntimeError(
                f"Python wheel with name {package} could not be found or has no entry point {name}. Please check the "
                "package name and entry point of the task."
            ) from None
    _main_module({"dbutils": _dbutils()})
    function()


def python_file(task: dict[str, Any]) -> None:
    file = task["file"]
    sys.argv = [file, *task["argv"]]
    sys.path.insert(0, _importable(os.path.dirname(file)))
    main = _main_module({"dbutils": _dbutils(), "spark": _spark(), "__file__": file})
    exec(compile(Path(file).read_text(encoding="utf-8"), file, "exec"), main.__dict__)


def notebook(task: dict[str, Any]) -> None:
    from notebook_source import cells

    file = task["file"]
    os.chdir(os.path.dirname(file))
    sys.path.insert(0, _importable(os.path.dirname(file)))
    sys.argv = [file]
    names = {"dbutils": _dbutils(), "spark": _spark(), "display": print, "displayHTML": print}
    main = _main_module(names)
    for code in cells(Path(file).read_text(encoding="utf-8"), file):
        exec(code, main.__dict__)


def _importable(folder: str) -> str:
    """Imports go past Python's own file functions: where these are turned, the folder itself is needed."""
    turned = sys.modules.get("redirected_folders")
    return turned.real(folder) if turned is not None else folder


def _main_module(names: dict[str, Any]) -> types.ModuleType:
    """A fresh `__main__`: the task's own, not this file."""
    main = types.ModuleType("__main__")
    main.__dict__.update(names)
    sys.modules["__main__"] = main
    return main


def _dbutils() -> Any:
    from dbruntime import UserNamespaceInitializer

    return UserNamespaceInitializer.getOrCreate().get_namespace_globals()["dbutils"]


def _spark() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


KINDS = {"python_wheel_task": wheel, "notebook_task": notebook, "spark_python_task": python_file}


class Ending:
    """Writes down how the task ended, whatever ended it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        told = self._told(error)
        self.failed = "error" in told
        self._file.write_text(json.dumps(told), encoding="utf-8")
        sys.stdout.flush()
        return True

    @staticmethod
    def _told(error: BaseException | None) -> dict[str, Any]:
        from dbruntime.exits import NotebookExit

        if isinstance(error, NotebookExit):
            return {"notebook_result": error.value}
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            return {"ended": True}
        if isinstance(error, SystemExit) and isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return {"error": "".join(traceback.format_exception_only(error)).strip(), "error_trace": _trace(error)}


def main() -> int:
    task = json.loads(Path(os.environ["S3PRIVATE_EMULATOR_TASK"]).read_text(encoding="utf-8"))
    _die_with(task["emulator"])
    # The runtime's stand-ins come last, so that a real pyspark in the environment wins.
    sys.path[:] = [*(entry for entry in sys.path if Path(entry or ".").resolve() != HERE), str(HERE)]
    with Ending(Path(task["result_file"])) as ending:
        KINDS[task["kind"]](task)
    return 1 if ending.failed else 0


def _die_with(emulator: int) -> None:
    """The emulator may be killed: a task must not go on without it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != emulator:
        sys.exit("the emulator is gone")


def _trace(error: BaseException) -> str:
    """Without the frames of this file."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename == __file__:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))


if __name__ == "__main__":
    sys.exit(main())
