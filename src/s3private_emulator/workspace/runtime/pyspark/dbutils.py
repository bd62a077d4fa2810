"""`from pyspark.dbutils import DBUtils`"""

from __future__ import annotations

from dbruntime.dbutils import DBUtils

__all__ = ["DBUtils"]
