"""Whose certificates are believed: one answer for boto3, for our own GETs, for `verify` and for the operator half.

botocore takes an empty AWS_CA_BUNDLE for "do not verify", opens a file that is not there with the first request, and
writes session keys where SSLKEYLOGFILE says. Here an empty setting is none, a wrong one is refused by name before
anything is sent, and no session key is written.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from s3private.errors import RouteError
from s3private.sockets import prepare

if TYPE_CHECKING:
    import boto3

IGNORED = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""Variables by which others change what TLS believes, or whom it tells its keys: not obeyed here."""


def authorities(session: boto3.Session) -> bool | str:
    """As botocore's `verify`: True for the authorities that come with it, else a file or directory that loads.

    The first that is not empty of what was set on the session by hand, AWS_CA_BUNDLE, `ca_bundle` in its profile, and
    REQUESTS_CA_BUNDLE.
    Raises RouteError naming the setting and the file where it is not there, or holds no certificates.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
    """
    inner: Any = session._session
    settings: list[tuple[str, Any]] = [
        ("ca_bundle of the session", inner.instance_variables().get("ca_bundle")),
        ("AWS_CA_BUNDLE", os.environ.get("AWS_CA_BUNDLE")),
        ("ca_bundle in the AWS profile", inner.get_scoped_config().get("ca_bundle")),
        ("REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE")),
    ]
    for name, value in settings:
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            if not isinstance(value, str):
                raise ValueError("it is no file's name")
            tls_context(value)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise RouteError(
                f"{name}: {value!a} cannot be used to verify certificates: {said}. Name a PEM file of "
                "authorities, or unset it for the default ones; nothing is sent unverified"
            ) from error
        return value
    return True


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """TLS 1.2 or later to a server whose certificate has the name as a subjectAltName: a common name does not do.

    verify: as of `authorities`. Raises OSError (ssl.SSLError among them) where there are no certificates in it.
    https://www.rfc-editor.org/rfc/rfc9525#section-6.3
    """
    from botocore.httpsession import get_cert_path

    # By hand rather than by ssl.create_default_context, which obeys SSLKEYLOGFILE. Name and chain are verified.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    prepare(context)
    bundle = verify if isinstance(verify, str) else str(get_cert_path(True))
    if os.path.isdir(bundle):
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(cafile=bundle)
    return context
