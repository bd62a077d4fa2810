"""Parquet by ranges: of each file its footer, and then the column chunks that are needed, neighbours together.

pyarrow decodes; it is given a file that has those bytes already, so that it never waits for the network.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from s3private.entries import ObjectEntry, ObjectVersion
from s3private.errors import ReadError
from s3private.parquet_bounds import (
    RATIO,
    Pages,
    codecs_in,
    is_text,
    longest_in,
    pages_of,
    refuse_deep_schema,
    refuse_more,
    text_of,
    width_of,
)
from s3private.schemas import arrow, reading

TAIL = 64 << 10
"""Bytes from the end that are asked for first: most footers are shorter, and then one request has it."""

GAP = 64 << 10
"""Column chunks no further apart than this are one request: to read so much more is faster than to ask again."""

Entry = ObjectEntry | ObjectVersion

Fetch = Callable[[list[tuple[int, int]], int], list[bytes]]
"""Gives the bytes of ranges (start and length) of one object; the second: see `coalesce` of `read_ranges`."""


class Segments(io.RawIOBase):
    """A file of which some parts are at hand. What is not is fetched when it is read."""

    def __init__(self, size: int, fetch: Fetch, parts: Mapping[int, bytes]) -> None:
        """parts: by where they begin."""
        self._size = size
        self._fetch = fetch
        self._parts = parts
        self._at = 0

    def forget(self) -> None:
        """Let go of the parts."""
        self._parts = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def read(self, size: int | None = -1, /) -> Any:
        """bytes, or a memoryview of them: pyarrow takes both, and the latter is not copied."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(end, self._at)
        if end <= start:
            return b""
        if (part := self._parts.get(start)) is not None and len(part) == end - start:
            return part
        for begins, part in self._parts.items():
            if begins <= start and end <= begins + len(part):
                return memoryview(part)[start - begins : end - begins]
        return self._fetch([(start, end - start)], 0)[0]


class Chunk(NamedTuple):
    """A column of a row group, as the footer has it. width: see `width_of`."""

    path: str
    start: int
    length: int
    values: int
    width: int
    is_text: bool
    row_group: int
    leaf: int


@dataclass(frozen=True, kw_only=True)
class Load:
    """Row groups of one file that are read together. compressed: bytes to fetch. decoded: bytes that they become."""

    file: ParquetObject
    row_groups: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    columns: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    compressed: int
    decoded: int

    def read(self, memory: int) -> Any:
        """Their pyarrow.Table, with the columns of the file that were asked for. Some strings may be dictionaries.

        Raises ReadError where they become more than `memory` and more than RATIO times of what was fetched.
        """
        uri = self.file.entry.uri
        bodies = self.file.fetch(list(self.ranges), GAP)
        parts: dict[int, bytes] = {}
        for (start, _), body in zip(self.ranges, bodies, strict=True):
            # Two that begin at one place: the longer one has both.
            parts[start] = max(body, parts.get(start, b""), key=len)
        source = Segments(self.file.entry.size, self.file.fetch, parts)
        allowed = max(memory, RATIO * sum(len(body) for body in bodies))

        def decoded(strings: Collection[str]) -> Any:
            # Not buffered beforehand: pyarrow would join ranges in its own way, and those are not at hand.
            opened = arrow("pyarrow.parquet").ParquetFile(
                source, metadata=self.file.fragment.metadata, pre_buffer=False, read_dictionary=list(strings)
            )
            return opened.read_row_groups(list(self.row_groups), columns=list(self.columns))

        with reading(uri):
            sure, unsure = self._becomes(parts, allowed)
            refuse_more(uri, sure, allowed)
            table = decoded(unsure)
            texts = [text_of(table.column(name)) for name in unsure]
            refuse_more(uri, sure + sum(texts), allowed)
            # One array of strings ends at 2 GiB.
            return decoded(()) if max(texts, default=0) > 1 << 30 else table

    def _becomes(self, parts: Mapping[int, bytes], allowed: int) -> tuple[int, Collection[str]]:
        """Bytes that they become at the most, and the columns of strings whose text is not in that.

        A string that is in a dictionary once may be in the column a million times. Those are read as indices, whose
        text can be told before it is made; where that cannot be, by the longest of them.
        """
        sure = 0
        open_ends: dict[str, list[tuple[Chunk, Pages, memoryview]]] = {}
        for chunk in self.chunks:
            if chunk.values > 0 and chunk.length > 0:
                body = memoryview(parts[chunk.start])[: chunk.length]
                pages = pages_of(body, chunk.values)
                sure += pages.values * chunk.width + pages.plain + pages.dictionary
                if chunk.is_text and pages.indices * pages.longest:
                    open_ends.setdefault(chunk.path, []).append((chunk, pages, body))
        worst = {
            path: sum(pages.indices * pages.longest for _, pages, _ in chunks) for path, chunks in open_ends.items()
        }
        if sure + sum(worst.values()) <= allowed:
            return sure, ()
        unsure = []
        for path, chunks in open_ends.items():
            if worst[path] > (allowed - sure) // len(worst):
                worst[path] = sum(
                    pages.indices
                    * longest_in(body[slice(*pages.packed)], pages, self.file.codecs[chunk.row_group][chunk.leaf])
                    for chunk, pages, body in chunks
                )
            whole = all(pages.indices == pages.values for _, pages, _ in chunks)
            if sure + worst[path] > allowed and whole and path in self.columns:
                unsure.append(path)
            else:
                sure += worst[path]
        return sure, unsure


@dataclass(frozen=True, kw_only=True)
class ParquetObject:
    """One Parquet file whose footer was read. fragment: pyarrow.dataset's, which holds it."""

    entry: Entry
    fetch: Fetch = field(repr=False)
    fragment: Any = field(repr=False)
    footer: bytes = field(repr=False)

    @cached_property
    def codecs(self) -> list[list[int]]:
        return codecs_in(self.footer)

    @property
    def schema(self) -> Any:
        """Its pyarrow.Schema."""
        return self.fragment.physical_schema

    def loads(self, columns: Sequence[str], matching: Any, schema: Any, most: int) -> Iterator[Load]:
        """What must be read for `columns` of the rows that may be `matching` (an expression on `schema`, or None).

        Row groups whose statistics say that no row matches are left out. most: decoded bytes of one load, unless one
        row group alone has more.
        """
        with reading(self.entry.uri):
            yield from self._loads(columns, matching, schema, most)

    def _loads(self, columns: Sequence[str], matching: Any, schema: Any, most: int) -> Iterator[Load]:
        there = tuple(name for name in columns if name in self.schema.names)
        metadata = self.fragment.metadata
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        leaves = [
            number for number, path in enumerate(paths) if any(path == n or path.startswith(f"{n}.") for n in there)
        ]
        columns_of = [metadata.schema.column(leaf) for leaf in leaves]
        known = [(leaf, paths[leaf], width_of(of), is_text(of)) for leaf, of in zip(leaves, columns_of, strict=True)]
        groups: list[int] = []
        chunks: list[Chunk] = []
        decoded = 0
        for number in self._row_groups(matching, schema):
            group = metadata.row_group(number)
            own = []
            # Columns that the file has not are made for its rows.
            more = 0 if leaves else 8 * group.num_rows
            for leaf, path, width, text in known:
                column = group.column(leaf)
                values = column.num_values
                own.append(Chunk(path, *_range(column), values, width, text, number, leaf))
                more += max(column.total_uncompressed_size, values * width)
            if groups and decoded + more > most:
                yield self._load(groups, chunks, there, decoded)
                groups, chunks, decoded = [], [], 0
            groups.append(number)
            chunks += own
            decoded += more
        if groups:
            yield self._load(groups, chunks, there, decoded)

    def _row_groups(self, matching: Any, schema: Any) -> list[int]:
        if matching is not None and all(_comparable(field.type, schema, field.name) for field in self.schema):
            return [each.id for each in self.fragment.subset(matching, schema=schema).row_groups]
        return list(range(self.fragment.metadata.num_row_groups))

    def _load(self, groups: list[int], chunks: list[Chunk], columns: tuple[str, ...], decoded: int) -> Load:
        return Load(
            file=self,
            row_groups=tuple(groups),
            ranges=tuple((chunk.start, chunk.length) for chunk in chunks if chunk.length),
            columns=columns,
            chunks=tuple(chunks),
            compressed=sum(chunk.length for chunk in chunks),
            decoded=decoded,
        )


def parquet_object(entry: Entry, fetch: Fetch, holds: Any = None) -> ParquetObject:
    """The file with its footer: one request, or two where the footer is long. Raises ReadError when it is none.

    holds: an expression that is true of all its rows, by which `loads` may leave them out, too.
    """
    if entry.size < 12:
        raise ReadError(f"{entry.uri}: not a Parquet file: {entry.size} bytes")
    start = max(0, entry.size - TAIL)
    tail = fetch([(start, entry.size - start)], 0)[0]
    footer = entry.size - 8 - int.from_bytes(tail[-8:-4], "little")
    if tail[-4:] != b"PAR1" or footer < 4:
        raise ReadError(f"{entry.uri}: not a Parquet file: it does not end as one (an encrypted footer is not read)")
    if footer < start:
        tail = fetch([(footer, start - footer)], 0)[0] + tail
        start = footer
    metadata = tail[footer - start : -8]
    refuse_deep_schema(entry.uri, metadata)
    source = Segments(entry.size, fetch, {start: tail})
    with reading(entry.uri):
        fragment = arrow("pyarrow.dataset").ParquetFileFormat().make_fragment(source, partition_expression=holds)
        fragment.ensure_complete_metadata()
        # Names that are no text are found out here.
        str(fragment.physical_schema.names)
    source.forget()
    return ParquetObject(entry=entry, fetch=fetch, fragment=fragment, footer=metadata)


def _range(chunk: Any) -> tuple[int, int]:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
        start = min(start, chunk.dictionary_page_offset or start)
    return start, chunk.total_compressed_size


def _comparable(type: Any, schema: Any, name: str) -> bool:
    """Whether what a file's statistics say of a column holds of the column in `schema`, too."""
    types = arrow("pyarrow.types")
    if schema.names.count(name) != 1:
        return name not in schema.names
    other = schema.field(name).type
    return bool(type.equals(other) or (types.is_integer(type) and types.is_integer(other)))
