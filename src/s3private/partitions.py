"""Columns that are in the names of directories, `year=2024/month=05/`, by Hive's rule and as pyarrow reads them.

https://arrow.apache.org/docs/python/generated/pyarrow.dataset.HivePartitioning.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from s3private.errors import ReadError, Refused
from s3private.schemas import arrow, reading

NULL = "__HIVE_DEFAULT_PARTITION__"

_INT32 = re.compile(r"-?[0-9]{1,20}", re.ASCII)


def values_in(directories: str) -> dict[str, str | None]:
    """Of `a/year=2024/b` the columns and their values. Of two of one name the first counts."""
    found: dict[str, str | None] = {}
    for name, equals, value in (each.partition("=") for each in directories.split("/")):
        if equals:
            found.setdefault(_decoded(name), None if value == NULL else _decoded(value))
    return found


class Partitions:
    """The columns of many files. A file that has not all of them has null there.

    plain: the fields, of int32 where all values are such numbers, else string; or of the types of `schema`.
    """

    def __init__(self, files: Iterable[tuple[str, str]], schema: Any) -> None:
        """files: URI and directories of each."""
        pa = arrow()
        self._of = [(uri, values_in(directories)) for uri, directories in files]
        self._values: dict[str, Any] = {}
        self._dictionaries: dict[str, Any] = {}
        self.plain: list[Any] = []
        self.fields: list[Any] = []
        for name in dict.fromkeys(name for _, values in self._of for name in values):
            texts = [values.get(name) for _, values in self._of]
            known = [text for text in texts if text is not None]
            given = schema is not None and name in schema.names
            type = schema.field(name).type if given else pa.int32() if _are_int32(known) else pa.string()
            plain = type.value_type if arrow("pyarrow.types").is_dictionary(type) else type
            self._values[name] = self._converted(texts, plain)
            self._dictionaries[name] = self._values[name].dictionary_encode()
            self.plain.append(pa.field(name, plain))
            # As pyarrow.parquet has them, so that a frame's column is a category: a value is there once.
            self.fields.append(pa.field(name, type if given else pa.dictionary(pa.int32(), plain)))

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def refuse_own(self, uri: str, schema: Any) -> None:
        """Raises ReadError where a file has a column of such a name itself: which one is meant is not known."""
        if twice := [name for name in self.names if name in schema.names]:
            raise ReadError(
                f"{uri}: column {twice[0]!r} is in the file and in a directory's name: partitioning=None takes that"
            )

    def whole(self, schema: Any, fields: Sequence[Any]) -> Any:
        """The schema with `fields` that it has not."""
        for field in fields:
            if field.name not in schema.names:
                schema = schema.append(field)
        return schema

    def added(self, table: Any, number: int, fields: Sequence[Any]) -> Any:
        """The table of file `number` with its columns, as `fields` say."""
        pa = arrow()
        for field in fields:
            value = self._values[field.name][number]
            column = pa.repeat(value, table.num_rows)
            if arrow("pyarrow.types").is_dictionary(field.type):
                column = self._indices(field, number, table.num_rows)
            table = table.append_column(field, column)
        return table

    def may_match(self, filters: Any, matching: Any) -> list[bool]:
        """For each file, whether there may be rows that match, by its partitions alone."""
        pa = arrow()
        every = [True] * len(self._of)
        if not self.plain or matching is None:
            return every
        where = "".join(self.names) + "number"
        columns = [self._values[name] for name in self.names]
        table = pa.table([*columns, pa.array(range(len(every)))], names=[*self.names, where])
        try:
            kept = table.filter(self._of_partitions(filters, matching)).column(where).to_pylist()
        except (pa.ArrowException, IndexError, KeyError, TypeError, ValueError):
            # It is about other columns, too, or is none: that is found out where those are known.
            return every
        found = set(kept)
        return [number in found for number in range(len(every))]

    def expression(self, number: int) -> Any:
        """What holds of all rows of a file, for pyarrow."""
        compute = arrow("pyarrow.compute")
        whole: Any = None
        for field in self.plain:
            value = self._values[field.name][number]
            holds = compute.field(field.name) == value if value.is_valid else compute.field(field.name).is_null()
            whole = holds if whole is None else whole & holds
        return whole

    def _of_partitions(self, filters: Any, matching: Any) -> Any:
        """What `filters` ask of the partitions; an expression as it is."""
        if not isinstance(filters, list):
            return matching
        alternatives = filters if all(isinstance(each, list) for each in filters) else [filters]
        of_ours = [[term for term in each if term[0] in self.names] for each in alternatives]
        return arrow("pyarrow.parquet").filters_to_expression(of_ours)

    def _converted(self, texts: list[str | None], type: Any) -> Any:
        pa = arrow()
        found = pa.array(texts, pa.string())
        try:
            return found.cast(type)
        except pa.ArrowException:
            for number, (uri, _) in enumerate(self._of):
                with reading(uri, f": a directory's name has {texts[number]!r}, which is no {type}"):
                    found[number : number + 1].cast(type)
            raise

    def _indices(self, field: Any, number: int, rows: int) -> Any:
        """One of them, as often as there are rows, over all of them."""
        pa = arrow()
        encoded = self._dictionaries[field.name]
        indices = pa.repeat(encoded.indices[number].cast(field.type.index_type), rows)
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)


def refuse_other_partitioning(partitioning: Any) -> None:
    if partitioning not in (None, "hive"):
        raise Refused(f"partitioning is 'hive' or None, not {partitioning!r}")


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _are_int32(texts: list[str]) -> bool:
    return bool(texts) and all(_INT32.fullmatch(text) and -(2**31) <= int(text) < 2**31 for text in texts)
