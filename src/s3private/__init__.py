"""A fast boto3 S3 client over a private path, for notebooks and jobs.

import s3private
s3 = s3private.connect("/Volumes/main/s3private/routes/demo.route.json")
for entry in s3private.list_objects(s3, "s3://sales-records/2026/"):
    print(entry.key, entry.size)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3private.forks import imported

if TYPE_CHECKING:
    from s3private.client import Recipe, connect, explain, recipe
    from s3private.downloading import Downloaded, DownloadedPrefix, download, download_prefix
    from s3private.errors import (
        ChecksumMismatch,
        ConfigError,
        Conflict,
        NotYet,
        ObjectChanged,
        OutsideRoute,
        PlatformError,
        ReadError,
        Refused,
        RouteError,
        S3PrivateError,
    )
    from s3private.listing import Listing, ObjectEntry, ObjectVersion, list_objects, list_versions
    from s3private.opening import ObjectFile, open_object
    from s3private.reading import (
        ObjectBody,
        ObjectStream,
        read_object,
        read_objects,
        read_range,
        read_ranges,
        stream_object,
    )
    from s3private.route import Route
    from s3private.tables import read_csv, read_json, read_parquet, stream_parquet

    __version__: str

__all__ = [
    "ChecksumMismatch",
    "ConfigError",
    "Conflict",
    "Downloaded",
    "DownloadedPrefix",
    "Listing",
    "NotYet",
    "ObjectBody",
    "ObjectChanged",
    "ObjectEntry",
    "ObjectFile",
    "ObjectStream",
    "ObjectVersion",
    "OutsideRoute",
    "PlatformError",
    "ReadError",
    "Recipe",
    "Refused",
    "Route",
    "RouteError",
    "S3PrivateError",
    "connect",
    "download",
    "download_prefix",
    "explain",
    "list_objects",
    "list_versions",
    "open_object",
    "read_csv",
    "read_json",
    "read_object",
    "read_objects",
    "read_parquet",
    "read_range",
    "read_ranges",
    "recipe",
    "stream_object",
    "stream_parquet",
]

# Loaded when first asked for: a notebook that only lists does not wait for tables, nor a job for both.
_HOME = {
    "client": ("Recipe", "connect", "explain", "recipe"),
    "downloading": ("Downloaded", "DownloadedPrefix", "download", "download_prefix"),
    "errors": (
        "ChecksumMismatch",
        "ConfigError",
        "Conflict",
        "NotYet",
        "ObjectChanged",
        "OutsideRoute",
        "PlatformError",
        "ReadError",
        "Refused",
        "RouteError",
        "S3PrivateError",
    ),
    "listing": ("Listing", "ObjectEntry", "ObjectVersion", "list_objects", "list_versions"),
    "opening": ("ObjectFile", "open_object"),
    "reading": (
        "ObjectBody",
        "ObjectStream",
        "read_object",
        "read_objects",
        "read_range",
        "read_ranges",
        "stream_object",
    ),
    "route": ("Route",),
    "tables": ("read_csv", "read_json", "read_parquet", "stream_parquet"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found = globals()[name] = version("s3private")
        return found
    for module, names in _HOME.items():
        if name in names:
            found = globals()[name] = getattr(imported(f"s3private.{module}"), name)
            return found
    raise AttributeError(f"module 's3private' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
