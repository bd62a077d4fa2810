"""The stand-in for Databricks' own runtime package, as far as databricks-sdk and notebooks look into it.

https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/runtime/__init__.py
"""

from __future__ import annotations

from typing import Any, ClassVar


class UserNamespaceInitializer:
    _only: ClassVar[UserNamespaceInitializer | None] = None

    def __init__(self) -> None:
        from dbruntime.dbutils import DBUtils

        self._names: dict[str, Any] = {"dbutils": DBUtils()}

    @classmethod
    def getOrCreate(cls) -> UserNamespaceInitializer:
        cls._only = cls._only or cls()
        return cls._only

    def get_namespace_globals(self) -> dict[str, Any]:
        return self._names
