"""One schema for many files: given, or made of theirs, and each file's table brought into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from s3private.errors import ReadError, Refused


def arrow(module: str = "pyarrow") -> Any:
    """pyarrow, or a module of it. Raises Refused saying what to install; serverless environments have it installed."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Refused("tables are read with pyarrow, which is not installed: pip install 's3private[arrow]'") from error


def unified(files: Iterable[tuple[str, Any]]) -> Any:
    """The pyarrow.Schema that holds what each of `files` (URI and schema) has: columns of all of them, in the order in
    which they are met, of a type that holds them all. Raises ReadError naming the file that does not go with the rest.
    """
    pa = arrow()
    whole: Any = None
    seen: list[Any] = []
    for uri, schema in files:
        if any(schema.equals(each) for each in seen):
            continue
        seen.append(schema)
        try:
            whole = schema if whole is None else pa.unify_schemas([whole, schema], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ReadError(f"{uri}: its columns do not go with those of the files before it: {error}") from error
    return whole


def projected(schema: Any, columns: Sequence[str] | None) -> Any:
    """The schema with `columns` alone, in that order; None: all. Raises Refused naming one that is not there."""
    if columns is None:
        return schema
    if absent := [name for name in columns if name not in schema.names]:
        raise Refused(f"there is no column {absent[0]!r}; there are {', '.join(schema.names)}")
    return arrow().schema([schema.field(name) for name in columns], metadata=schema.metadata)


def conformed(table: Any, schema: Any, uri: str) -> Any:
    """The table with the columns of `schema`: converted where their types differ, null where the file has none.

    Raises ReadError where a value cannot be converted.
    """
    pa = arrow()
    if table.schema.equals(schema):
        return table
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(field.name)
        try:
            columns.append(column if column.type.equals(field.type) else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ReadError(f"{uri}: column {field.name!r} is no {field.type}: {error}") from error
    if not columns:
        return table.select([])
    return pa.Table.from_arrays(columns, schema=schema)
