"""A session that is there, and says that it cannot do anything when it is asked to."""

from __future__ import annotations

from typing import Any, ClassVar


class SparkSession:
    _active: ClassVar[SparkSession | None] = None

    class _Builder:
        def getOrCreate(self) -> SparkSession:
            SparkSession._active = SparkSession._active or SparkSession()
            return SparkSession._active

        def appName(self, _name: str) -> SparkSession._Builder:
            return self

    builder = _Builder()

    @classmethod
    def getActiveSession(cls) -> SparkSession:
        return cls.builder.getOrCreate()

    active = getActiveSession

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"spark.{name}: the emulated workspace has no Spark")
