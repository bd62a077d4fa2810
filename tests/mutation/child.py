"""One mutant's tests, in a process that has what they import already, but nothing of ours."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

PRELOADED = ["pytest", "boto3", "botocore.session", "numpy", "pyarrow", "trustme", "flask"]
_MEMORY = 8 << 30


def test(tree: Path, tests: list[str]) -> None:
    """Ends the process with pytest's own status."""
    # What its tests start ends with it.
    os.setsid()
    # A loop that does not end any more may fill the memory.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nowhere, each)
    os.chdir(tree)
    own = [str(tree / "src"), str(tree / "tests")]
    sys.path[:0] = own
    os.environ |= {"PYTHONPATH": os.pathsep.join(own), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    import pytest

    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--timeout=60", *tests]))
