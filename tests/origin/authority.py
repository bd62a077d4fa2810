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
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # In one process with who forks: a handshake of the server's must not be under way then, either.
        prepare(self.server_context)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self.server_context)
