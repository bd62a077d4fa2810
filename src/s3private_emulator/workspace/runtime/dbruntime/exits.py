"""`dbutils.notebook.exit` ends the notebook from wherever it is called."""

from __future__ import annotations


class NotebookExit(BaseException):
    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value
