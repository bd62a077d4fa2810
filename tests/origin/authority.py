"""The certificate authority of the tests' own servers: one for a whole run, for `localhost`."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """file: what clients trust, for AWS_CA_BUNDLE."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self.server_context)
