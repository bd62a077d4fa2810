"""One schema for many files: given, or made of theirs, and each file's table brought into it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from s3private.errors import ReadError, Refused, S3PrivateError
from s3private.forks import imported


def arrow(module: str = "pyarrow") -> Any:
    """pyarrow, or a module of it. Raises Refused saying what to install; serverless environments have it installed."""
    try:
        return imported(module)
    except ImportError as error:
        raise Refused("tables are read with pyarrow, which is not installed: pip install 's3private[arrow]'") from error


@contextmanager
def reading(uri: str, expected: str = "") -> Iterator[None]:
    """Whatever pyarrow makes of an object's bytes is a ReadError that names it: its exceptions are of a dozen kinds,
    which change with its version. expected: what is said after it."""
    try:
        yield
    except S3PrivateError:
        raise
    except Exception as error:
        raise ReadError(f"{uri}: {printable(error)}{expected}") from error


def printable(error: Exception) -> str:
    """What it says, on one line. The rows that it quotes may be of any bytes."""
    said = str(error) or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in said.strip().replace("\n", " "))


def refuse_wrong_columns(columns: Any, schema: Any) -> None:
    """Raises Refused for arguments `columns` and `schema` that are none."""
    if isinstance(columns, str):
        raise Refused(f"columns is a list of names: columns=[{columns!r}]")
    if columns is not None and not (isinstance(columns, Collection) and all(isinstance(name, str) for name in columns)):
        raise Refused(f"columns is a list of names, not {columns!r}")
    if columns is not None and (twice := _doubled(list(columns))):
        raise Refused(f"columns has {twice!r} twice")
    if schema is not None and not isinstance(schema, arrow().Schema):
        raise Refused(f"schema is a pyarrow.Schema, such as pyarrow.schema([('id', pyarrow.int64())]), not {schema!r}")
    if schema is not None and (twice := _doubled(schema.names)):
        raise Refused(f"schema has {twice!r} twice")


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
        if whole is None:
            whole = schema
            continue
        for each in (whole, schema):
            if twice := _doubled(each.names):
                raise ReadError(f"{uri}: two columns are named {twice!r} here or in the files before it")
        with reading(uri, ": its columns do not go with those of the files before it; a schema= brings them together"):
            whole = pa.unify_schemas([whole, schema], promote_options="permissive")
    return whole


def projected(schema: Any, columns: Iterable[str] | None) -> Any:
    """The schema with `columns` alone, in that order; None: all. Raises Refused naming one that is not there."""
    if columns is None:
        return schema
    names = list(columns)
    if absent := [name for name in names if name not in schema.names]:
        raise Refused(f"there is no column {absent[0]!r}; there are {', '.join(schema.names)}")
    if twice := [name for name in names if schema.names.count(name) > 1]:
        raise Refused(f"there is more than one column {twice[0]!r}: which one is meant cannot be said")
    return arrow().schema([schema.field(name) for name in names], metadata=schema.metadata)


def conformed(table: Any, schema: Any, uri: str) -> Any:
    """The table with the columns of `schema`: converted where their types differ, null where the file has none.

    Raises ReadError where a value cannot be converted.
    """
    pa = arrow()
    if table.schema.equals(schema):
        return table
    if table.schema.names != schema.names and (twice := _doubled([n for n in table.schema.names if n in schema.names])):
        raise ReadError(f"{uri}: two columns are named {twice!r}")
    columns = []
    for number, field in enumerate(schema):
        if table.schema.names == schema.names:
            column = table.column(number)
        elif field.name in table.schema.names:
            column = table.column(field.name)
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        if not column.type.equals(field.type):
            with reading(uri, f": column {field.name!r} is no {field.type}"):
                column = column.cast(field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema) if columns else table.select([])


def joined(tables: Sequence[Any], schema: Any) -> Any:
    """One table of them, which are all of `schema`. Without columns it has their rows all the same."""
    pa = arrow()
    if not len(schema):
        return pa.table({"": pa.nulls(sum(table.num_rows for table in tables))}).select([])
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _doubled(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
