"""Every error s3private raises; the type says what the caller should do.

S3PrivateError
├── Refused               nothing was written: change what you asked for            exit 2
│   ├── ConfigError       the path file is wrong: file, key and rule are named
│   ├── Conflict          a person must decide: what exists is not what was asked
│   └── RouteError        the Route cannot be read, or is not for this use
│       └── OutsideRoute  a request for a host that is not the Route's; it was not sent
├── NotYet                stopped waiting; nothing failed: run again                exit 3
├── PlatformError         AWS or Databricks said no; its own words are kept         exit 1
└── ReadError             what came back is not what was asked for                  exit 1
    ├── ObjectChanged     the object was replaced while it was being read
    └── ChecksumMismatch  the bytes are not those that were stored
"""

from __future__ import annotations


class S3PrivateError(Exception):
    """The root: catch it to catch everything s3private raises on purpose."""

    exit_code = 1


class Refused(S3PrivateError):
    """Nothing was written; the request itself must change."""

    exit_code = 2


class ConfigError(Refused):
    """The path file is wrong. The message names file, key and rule."""


class Conflict(Refused):
    """Something exists that is not what was asked for, and replacing it could break somebody: a person must decide."""


class RouteError(Refused):
    """The Route cannot be read, or is not for this use."""


class OutsideRoute(RouteError):
    """A request for a host other than the Route's. It was not sent."""


class NotYet(S3PrivateError):
    """Waiting was stopped; nothing failed. Run the same command again."""

    exit_code = 3


class PlatformError(S3PrivateError):
    """AWS or Databricks refused or failed; the message carries the platform's own words."""


class ReadError(S3PrivateError):
    """What came back is not what was asked for."""


class ObjectChanged(ReadError):
    """The object was replaced while it was being read (`If-Match` failed)."""


class ChecksumMismatch(ReadError):
    """The bytes that arrived do not have the checksum S3 stored for them."""
