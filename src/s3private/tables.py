"""CSV, JSON lines and Parquet, of one object or many, to Arrow tables; `.to_pandas()` makes data frames of them.

pyarrow parses. Here is what it does not have: many objects at once in bounded memory, over the one way there is.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from s3private import sources
from s3private.errors import ReadError, Refused
from s3private.forks import InOneProcess
from s3private.opening import open_object
from s3private.parquet import Entry, Fetch, Load, ParquetObject, parquet_object
from s3private.parquet_bounds import refuse_more
from s3private.partitions import Partitions, refuse_other_partitioning
from s3private.reading import read_objects, read_ranges
from s3private.schemas import arrow, conformed, joined, printable, projected, reading, refuse_wrong_columns, unified
from s3private.sources import Readable, apart, not_too_deep
from s3private.table_files import Objects, TableFile, table_files
from s3private.threads import Threads, result_of

if TYPE_CHECKING:
    import pyarrow as pa
    from types_boto3_s3 import S3Client

WORKERS = 8
MEMORY = 256 << 20
_WHOLE = 8 << 20
"""Objects up to this size are read whole, many at once; larger ones are parsed while they come."""

_FILTERS = "They are a list such as [('day', '>=', 3)], or a pyarrow.compute.Expression"

T = TypeVar("T")


def read_csv(
    s3: S3Client,
    objects: Objects,
    *,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
    read_options: Any = None,
    parse_options: Any = None,
    convert_options: Any = None,
    unpacked: int | None = None,
    partitioning: Literal["hive"] | None = "hive",
    workers: int = WORKERS,
    extra_args: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The rows of CSV files, in the files' order, as one Arrow table. gzip, bz2, zstd and lz4 are unpacked, by
    what the bytes are, whatever the name says.

    columns: these alone. schema: the table's columns and types; a column that a file lacks is null. Default: all
    columns, of types that hold every file's. The options are pyarrow.csv's own (delimiter, quoting, names, nulls).
    https://arrow.apache.org/docs/python/csv.html
    unpacked: bytes that one file may unpack to; default: 100 times its size, and 32 MiB in any case. Beyond that it is
    a ReadError, for a small file can unpack to more than there is memory.
    partitioning: see `stream_parquet`. workers: files parsed at once. extra_args: see `read_object`.

    Memory: the table, and 64 MiB + workers * 40 MiB. Raises Refused without pyarrow or for a column that is not there,
    ReadError naming the file that cannot be read or parsed, ObjectChanged.
    """
    csv = arrow("pyarrow.csv")

    def parse(uri: str, source: Any, own: Any) -> Any:
        converting = convert_options or csv.ConvertOptions()
        if own is not None:
            # A copy, for the options are the caller's. The types are given, so that nothing is guessed.
            converting = _copy(csv.ConvertOptions, converting, column_types=dict(_types(own)))
        return csv.read_csv(source, read_options=read_options, parse_options=parse_options, convert_options=converting)

    return _parsed(s3, objects, parse, "", columns, schema, unpacked, partitioning, workers, extra_args)


def read_json(
    s3: S3Client,
    objects: Objects,
    *,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
    read_options: Any = None,
    parse_options: Any = None,
    unpacked: int | None = None,
    partitioning: Literal["hive"] | None = "hive",
    workers: int = WORKERS,
    extra_args: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The rows of files of JSON lines (an object on each line), in the files' order, as one Arrow table.

    A line must fit into read_options.block_size, 1 MiB by default, and be nested no more than 500 deep.
    Everything else: see `read_csv`.
    https://arrow.apache.org/docs/python/json.html
    """
    json = arrow("pyarrow.json")

    def parse(uri: str, source: Any, own: Any) -> Any:
        parsing = parse_options
        if own is not None and parsing is None:
            parsing = json.ParseOptions(explicit_schema=own)
        return json.read_json(not_too_deep(uri, source), read_options=read_options, parse_options=parsing)

    expected = (
        " (JSON lines are expected, one object on each line; a file of one array: pandas.read_json(open_object(...)))"
    )
    return _parsed(s3, objects, parse, expected, columns, schema, unpacked, partitioning, workers, extra_args)


def read_parquet(
    s3: S3Client,
    objects: Objects,
    *,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    schema: pa.Schema | None = None,
    partitioning: Literal["hive"] | None = "hive",
    workers: int = WORKERS,
    memory: int = MEMORY,
    extra_args: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The rows of Parquet files, in the files' order, as one Arrow table. See `stream_parquet`.

    Memory: the table, and what `stream_parquet` needs.
    """
    whole, tables = _parquet(s3, objects, columns, filters, schema, partitioning, workers, memory, extra_args)
    return joined(list(tables), whole)


def stream_parquet(
    s3: S3Client,
    objects: Objects,
    *,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    schema: pa.Schema | None = None,
    partitioning: Literal["hive"] | None = "hive",
    workers: int = WORKERS,
    memory: int = MEMORY,
    extra_args: Mapping[str, Any] | None = None,
) -> Iterator[pa.Table]:
    """The rows of Parquet files, in the files' order, as tables of one or more row groups, all of one schema.

    Only footers and the column chunks that are needed are fetched, by ranges.
    columns: these alone, in this order. filters: rows that match, as pyarrow's `[("day", ">=", 3)]`, lists of such
    lists (or), or a pyarrow.compute.Expression; row groups whose statistics exclude them are not fetched.
    schema: the tables' columns and types; default: those of all files together, for which all footers are read first.
    partitioning: "hive": directories `year=2024/` below a prefix, or where a glob's wildcards are, are columns after
    the files' own, as pandas and pyarrow.parquet have them: dictionaries of int32 or else string, null for
    `__HIVE_DEFAULT_PARTITION__`; of the type that schema gives them. Of objects in a list, all of their directories
    are. Files that filters exclude so are not opened, and their columns not known. None: they are no columns.
    workers: files fetched and decoded at once. extra_args: see `read_object`.

    memory: bytes. Row groups that become more than that and more than 100 times of what they take in the file are a
    ReadError: a few hundred bytes can become more than there is.

    Memory: what is fetched or decoded and not yet taken, at most `memory` or one row group's columns where they are
    larger; the footers. Raises Refused without pyarrow or for a column that is not there, ReadError naming the file
    that cannot be read, or that has a column which a directory's name has, too, ObjectChanged.
    """
    return InOneProcess(_parquet(s3, objects, columns, filters, schema, partitioning, workers, memory, extra_args)[1])


def _parquet(
    s3: S3Client,
    objects: Objects,
    columns: Sequence[str] | None,
    filters: Any,
    schema: Any,
    partitioning: str | None,
    workers: int,
    memory: int,
    extra_args: Mapping[str, Any] | None,
) -> tuple[Any, Iterator[Any]]:
    """The schema of the tables, and the tables."""
    arrow("pyarrow.parquet")
    _check(columns, schema, workers=workers, memory=memory)
    matching = _expression(filters)
    found, partitions = _partitioned(s3, objects, schema, partitioning, extra_args)
    wanted = [number for number, may in enumerate(partitions.may_match(filters, matching)) if may]
    if schema is None:
        # One of them says what columns there are.
        wanted = wanted or list(range(len(found)))[:1]

    def footer(number: int) -> ParquetObject:
        entry = found[number].entry
        file = parquet_object(entry, _fetch(s3, entry, extra_args), partitions.expression(number))
        partitions.refuse_own(entry.uri, file.schema)
        return file

    with closing(_in_order(wanted, footer, lambda number: 0, workers, 0)) as footers:
        files = dict(zip(wanted, footers, strict=True))
    whole = schema if schema is not None else unified((file.entry.uri, file.schema) for file in files.values())
    if whole is None:
        raise _nothing(objects)
    filtering = partitions.whole(_without(whole, partitions.names), partitions.plain)
    if schema is None:
        whole = partitions.whole(whole, partitions.fields)
    chosen = projected(whole, columns)
    needed = chosen.names
    if matching is not None:
        _check_filter(matching, filtering)
        needed = list(dict.fromkeys([*chosen.names, *_columns_of(matching, filtering)]))
    to_filter = [field for field in partitions.plain if field.name in needed]
    to_give = [field for field in partitions.fields if field.name in chosen.names]

    def read(number_and_load: tuple[int, Load]) -> Any:
        number, load = number_and_load
        uri = load.file.entry.uri
        with reading(uri):
            table = load.read(memory)
            if not table.num_columns:
                # How many rows there are is then the footer's word alone.
                refuse_more(uri, 8 * table.num_rows * len(chosen), memory)
            if matching is not None:
                # On all that the filter needs, in the types that it was written for.
                table = conformed(partitions.added(table, number, to_filter), projected(filtering, needed), uri)
                table = _without_columns(table.filter(matching), [field.name for field in to_filter])
            return conformed(partitions.added(table, number, to_give), chosen, uri)

    loads = (
        (number, load)
        for number, file in files.items()
        for load in file.loads(needed, matching, filtering, memory // (2 * workers))
    )
    return chosen, _in_order(loads, read, lambda each: each[1].compressed + each[1].decoded, workers, memory)


def _partitioned(
    s3: S3Client, objects: Objects, schema: Any, partitioning: str | None, extra_args: Mapping[str, Any] | None
) -> tuple[list[TableFile], Partitions]:
    refuse_other_partitioning(partitioning)
    found = table_files(s3, objects, extra_args)
    return found, Partitions(((file.entry.uri, file.directories if partitioning else "") for file in found), schema)


def _without(schema: Any, names: Collection[str]) -> Any:
    return arrow().schema([field for field in schema if field.name not in names], metadata=schema.metadata)


def _without_columns(table: Any, names: list[str]) -> Any:
    """`drop_columns` of all that a table has takes its rows as well."""
    return table.select([number for number, name in enumerate(table.schema.names) if name not in names])


def _check(columns: Sequence[str] | None, schema: Any, **numbers: Any) -> None:
    refuse_wrong_columns(columns, schema)
    for name, number in numbers.items():
        if number is not None and (not isinstance(number, int) or number < 1):
            raise Refused(f"{name} is a number, 1 or more, not {number!r}")


def _expression(filters: Any) -> Any:
    """`filters` as a pyarrow.compute.Expression; what is no list is taken for one, or for None."""
    if not isinstance(filters, list):
        return filters
    try:
        return arrow("pyarrow.parquet").filters_to_expression(filters)
    except Exception as error:
        raise Refused(f"filters: {printable(error)}. {_FILTERS}") from error


def _check_filter(matching: Any, schema: Any) -> None:
    """Before anything but footers is fetched."""
    try:
        schema.empty_table().filter(matching)
    except Exception as error:
        raise Refused(f"filters: {printable(error)}. {_FILTERS}, on the columns {', '.join(schema.names)}") from error


def _columns_of(matching: Any, schema: Any) -> list[str]:
    """The columns that an expression needs: those without which it cannot be evaluated."""
    found = []
    empty = schema.empty_table()
    # One of two columns of a name cannot be what is meant.
    for name in _there(schema.names, schema):
        try:
            empty.drop_columns([name]).filter(matching)
        except (arrow().ArrowException, KeyError):
            found.append(name)
    return found


def _fetch(s3: S3Client, entry: Entry, extra_args: Mapping[str, Any] | None) -> Fetch:
    return lambda ranges, gap: read_ranges(s3, entry, ranges, coalesce=gap, extra_args=extra_args)


def _parsed(
    s3: S3Client,
    objects: Objects,
    parse: Callable[[str, Any, Any], Any],
    expected: str,
    columns: Sequence[str] | None,
    schema: Any,
    unpacked: int | None,
    partitioning: str | None,
    workers: int,
    extra_args: Mapping[str, Any] | None,
) -> Any:
    _check(columns, schema, workers=workers, unpacked=unpacked)
    listed, partitions = _partitioned(s3, objects, schema, partitioning, extra_args)
    own = None if schema is None else _without(schema, partitions.names)
    small: Any = read_objects(
        s3, (file.entry for file in listed if file.entry.size <= _WHOLE), memory=64 << 20, extra_args=extra_args
    )
    bodies = ((file.entry, next(small).body if file.entry.size <= _WHOLE else None) for file in listed)
    waited_for = Threads(workers, "s3private-source")

    def read(source: tuple[Entry, bytes | None]) -> tuple[str, Any, Any]:
        entry, body = source
        with reading(entry.uri, expected), ExitStack() as opened:
            file: Readable = (
                io.BytesIO(body)
                if body is not None
                else apart(opened.enter_context(open_object(s3, entry, cache=0, extra_args=extra_args)), waited_for)
            )
            table = parse(entry.uri, sources.unpacked(entry.uri, file, entry.size, unpacked), own)
            partitions.refuse_own(entry.uri, table.schema)
            kept = table if columns is None else table.select(_there(columns, table.schema))
        return entry.uri, table.schema, kept

    # After an error its connections are not to wait for the garbage collector.
    with (
        closing(small),
        closing(waited_for),
        closing(_in_order(bodies, read, lambda source: 0, workers, 0)) as parsed,
    ):
        found = list(parsed)
    whole = schema if schema is not None else unified((uri, its) for uri, its, _ in found)
    if whole is None:
        raise _nothing(objects)
    if schema is None:
        whole = partitions.whole(whole, partitions.fields)
    chosen = projected(whole, columns)
    to_give = [field for field in partitions.fields if field.name in chosen.names]
    return joined(
        [
            conformed(partitions.added(table, number, to_give), chosen, uri)
            for number, (uri, _, table) in enumerate(found)
        ],
        chosen,
    )


def _nothing(objects: Objects) -> ReadError:
    where = f"nothing is at {objects}: " if isinstance(objects, str) else ""
    return ReadError(f"{where}no files to read, and no schema: list other objects or give a schema")


def _there(names: Iterable[str], schema: Any) -> list[str]:
    """Those that can be told apart: the others are spoken of where it is known what all files have."""
    return [name for name in names if schema.names.count(name) == 1]


def _types(schema: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, field.type) for field in schema)


def _copy(kind: Any, options: Any, **changed: Any) -> Any:
    names = [name for name in dir(options) if not name.startswith("_") and not callable(getattr(options, name))]
    return kind(**{name: getattr(options, name) for name in names} | changed)


def _in_order(
    items: Iterable[T], read: Callable[[T], Any], size: Callable[[T], int], workers: int, memory: int
) -> Generator[Any]:
    """`read` of each, in order, `workers` at once; at most `memory` of what is read or waits, or one item.

    Whoever leaves early waits for none of them.
    """
    waiting: deque[tuple[Future[Any], int]] = deque()
    held = 0
    with closing(Threads(workers, "s3private-table")) as threads:
        for item in items:
            needs = size(item)
            while waiting and (len(waiting) >= 2 * workers or held + needs > memory > 0):
                first, its = waiting.popleft()
                yield result_of(first)
                held -= its
            waiting.append((threads.submit(read, item), needs))
            held += needs
        while waiting:
            yield result_of(waiting.popleft()[0])
