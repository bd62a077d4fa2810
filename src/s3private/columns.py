"""A listing as tables: columns straight from the pages, without an object for each key.

pyarrow and pandas are not needed for anything else, so they are extras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from s3private.errors import Refused
from s3private.forks import imported
from s3private.pages import Page

if TYPE_CHECKING:
    import pandas
    import pyarrow


def arrow_schema() -> pyarrow.Schema:
    """ObjectEntry's fields, by its names. Raises Refused where pyarrow is not installed."""
    arrow = _extra("pyarrow", "arrow")
    text = arrow.string()
    return arrow.schema(
        [
            ("bucket", text),
            ("key", text),
            ("size", arrow.int64()),
            ("last_modified", arrow.timestamp("us", "UTC")),
            ("etag", text),
            ("storage_class", text),
        ]
    )


def arrow_batch(schema: pyarrow.Schema, bucket: str, page: Page) -> pyarrow.RecordBatch:
    arrow = _extra("pyarrow", "arrow")
    columns = [
        arrow.repeat(bucket, len(page.keys)),
        arrow.array(page.keys),
        arrow.array(page.sizes).cast("int64"),
        arrow.array(page.modified).cast(schema.field("last_modified").type),
        arrow.array(page.etags),
        arrow.array(page.storage_classes),
    ]
    return arrow.RecordBatch.from_arrays(columns, schema=schema)


def arrow_table(schema: pyarrow.Schema, batches: Iterator[pyarrow.RecordBatch]) -> pyarrow.Table:
    return _extra("pyarrow", "arrow").Table.from_batches(batches, schema)


def pandas_frame(bucket: str, pages: Callable[[], Iterator[Page]]) -> pandas.DataFrame:
    """pages: called once it is known that a frame can be made. Raises Refused where pandas is not installed."""
    frames = _extra("pandas", "pandas")
    kept = list(pages())

    def column(name: str) -> list[str]:
        return list(chain.from_iterable(getattr(page, name) for page in kept))

    keys = column("keys")
    modified = frames.to_datetime(column("modified"), utc=True, format="ISO8601")
    frame: pandas.DataFrame = frames.DataFrame(
        {
            "bucket": [bucket] * len(keys),
            "key": keys,
            "size": frames.Series(column("sizes"), dtype="object").astype("int64"),
            "last_modified": frames.Series(modified).astype("datetime64[us, UTC]"),
            "etag": column("etags"),
            "storage_class": column("storage_classes"),
        }
    )
    return frame


def _extra(module: str, extra: str) -> Any:
    try:
        return imported(module)
    except ImportError as error:
        raise Refused(f"this needs {module}, which is not installed here: pip install 's3private[{extra}]'") from error
