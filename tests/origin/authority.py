"""The certificate authority of the tests' own servers: one for a whole run, for `localhost`."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from s3private.sockets import prepare


class Authority:
    """file: what clients trust, for AWS_CA_BUNDLE."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self._authority = authority
        self.server_context = self.for_names("localhost", "127.0.0.1")

    def for_names(self, *names: str) -> ssl.SSLContext:
        """A server's, whose certificate has these names alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # In one process with who forks: a handshake of the server's must not be under way then, either.
        prepare(context)
        self._authority.issue_cert(*names).configure_cert(context)
        return context
