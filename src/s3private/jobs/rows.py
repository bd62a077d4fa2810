"""Rows of a result: a file in the volume, and a Unity Catalog table where one is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s3private.errors import ReadError


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One JSON object a line, written from front to back, which is all that a volume allows. Raises OSError.
    https://docs.databricks.com/aws/en/files/files-recommendations"""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_table(table: str, rows: Sequence[dict[str, Any]], schema: str) -> None:
    """Replace `table` by the rows. schema: Spark's DDL, so that no row is looked at to guess it. Raises ReadError."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        frame = SparkSession.builder.getOrCreate().createDataFrame(rows, schema)
        frame.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(table)
    except PySparkException as error:
        raise ReadError(f"cannot write table {table}: {str(error).splitlines()[0]}") from error
