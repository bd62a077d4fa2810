"""Runs in a network that is loopback alone; prints, as one line of JSON, which names were asked for by what was done.

usage: inside.py DIRECTORY
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import trustme

ID = "vpce-0a1b2c3d4e5f60001"
HOST = f"bucket.{ID}-abcdefgh.s3.eu-west-1.vpce.amazonaws.com"
STS = "sts.eu-west-1.amazonaws.com"
ROLE = "arn:aws:iam::222222222222:role/reader"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE000000000",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_SESSION_TOKEN": "token",
}
# What says who asks and where settings are, rather than where to go.
OURS = ("profile", "config_file", "credentials_file", "ca_bundle", "data_path", "region")


class Names:
    """A name server on 127.0.0.1 that notes what it is asked; it knows the Route's host and the region's STS."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, client = self.socket.recvfrom(4096)
            labels, at = [], 12
            while length := question[at]:
                labels.append(question[at + 1 : at + 1 + length].decode("latin-1"))
                at += 1 + length
            name, kind = ".".join(labels).lower(), question[at + 1 : at + 3]
            if name not in self.asked:
                self.asked.append(name)
            known = name in (HOST, STS)
            found = known and kind == b"\0\1"
            head = question[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + bytes([0, found]) + b"\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if found else b""
            self.socket.sendto(head + question[12 : at + 5] + record, client)


def answer(method: str, target: str, host: str) -> tuple[int, dict[str, str], bytes]:
    """As much of S3 and of STS as is asked for here."""
    if host == STS:
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        text = (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
        return 200, {}, text.encode()
    if "uploads" in target:
        return 200, {}, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    if method == "POST":
        return 200, {}, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    if method == "PUT":
        return 200, {"etag": '"e"'}, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"
    if "list-type" in target:
        return 200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    return 200, {"etag": '"e"', "accept-ranges": "bytes"}, b"body"


class Server:
    """TLS at 127.0.0.1:443 with the certificate of both."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.bundle = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.bundle))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, STS).configure_cert(self.context)
        self.listening = socket.create_server(("127.0.0.1", 443), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with self.context.wrap_socket(raw, server_side=True) as connection, connection.makefile("rwb") as stream:
                while line := stream.readline():
                    method, target, _ = line.decode("latin-1").split(" ")
                    fields = {}
                    while (field := stream.readline().decode("latin-1").strip()) != "":
                        name, _, value = field.partition(":")
                        fields[name.lower()] = value.strip()
                    if fields.get("expect") == "100-continue":
                        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                        stream.flush()
                    if fields.get("transfer-encoding") == "chunked":
                        while size := int(stream.readline().partition(b";")[0], 16):
                            stream.read(size + 2)
                        while stream.readline().strip():
                            pass
                    stream.read(int(fields.get("content-length", 0)))
                    status, more, body = answer(method, target, fields["host"])
                    lines = [f"HTTP/1.1 {status} OK", f"content-length: {len(body)}", "x-amz-request-id: R"]
                    lines += [f"{name}: {value}" for name, value in more.items()]
                    stream.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
                    stream.flush()
        except (OSError, ValueError):
            pass


@contextmanager
def environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Run:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names = Names()
        self.server = Server(directory)
        self.found: dict[str, list[str]] = {}
        self.unnamed: dict[str, list[str]] = {}
        self.failed: dict[str, str] = {}
        (directory / "up").write_bytes(b"x" * 100)

    def route(self) -> Any:
        from s3private import Route

        return Route(
            path="demo", region="eu-west-1", endpoint_url=f"https://{HOST}", vpc_endpoint_id=ID, buckets=("b",)
        )

    def do(self, what: str, does: Callable[[], Any], may_fail: bool = False) -> None:
        """Which names are asked for by it, and of whom `explain` says nothing."""
        self.names.asked.clear()
        said: object = None
        try:
            said = does()
        except BaseException as error:
            # Whatever it is: what counts is whom it asked.
            if not may_fail:
                self.failed[what] = f"{type(error).__name__}: {error}"
            if not isinstance(error, Exception):
                raise
        self.found[what] = sorted(self.names.asked)
        if isinstance(said, str) and (missing := [name for name in self.names.asked if name not in said]):
            self.unnamed[what] = missing

    def use(self, session: Any = None, role: str | None = None, change: Callable[[Any], None] = lambda s3: None) -> str:
        """One of each kind of request; what `explain` says."""
        from s3private import connect, explain, list_objects, read_object

        s3: Any = connect(self.route(), session=session, role_arn=role)
        change(s3)
        try:
            read_object(s3, "s3://b/k")
            list(list_objects(s3, "s3://b/"))
            s3.put_object(Bucket="b", Key="k", Body=b"x")
            s3.head_object(Bucket="b", Key="k")
        finally:
            said = explain(s3)
        return said

    def transfers(self, s3: Any, config: Any) -> None:
        from boto3.s3.transfer import S3Transfer

        s3.upload_file(str(self.directory / "up"), "b", "k", Config=config)
        s3.download_file("b", "k", str(self.directory / "down"), Config=config)
        s3.upload_fileobj(io.BytesIO(b"x"), "b", "k", Config=config)
        s3.download_fileobj("b", "k", io.BytesIO(), Config=config)
        s3.copy({"Bucket": "b", "Key": "k"}, "b", "c", Config=config)
        with S3Transfer(s3, config) as transfer:
            transfer.upload_file(str(self.directory / "up"), "b", "k")


def evil(name: str) -> str:
    return f"evil-{re.sub('[^a-z0-9]', '-', name.lower())}.example"


def value_for(name: str, cast: Any) -> str:
    """A value that would lead away, where the setting is one that can."""
    if cast is int:
        return "3"
    if cast is not None:
        return "true"
    if name.endswith(("regional_endpoint", "regional_endpoints")):
        return "legacy"
    if name.endswith(("endpoint", "url", "host")):
        return evil(name) if "host" in name else f"http://{evil(name)}"
    return "evil"


def all_settings(run: Run) -> None:
    # Its tables are not meant for others; so a setting that is new is tried without being named here.
    from botocore import configprovider

    tables = [table for name, table in vars(configprovider).items() if re.fullmatch(r"(BOTOCORE_)?DEFAU.*_VAR.*", name)]
    assert len(tables) >= 3
    variables = {
        "AWS_ENDPOINT_URL": f"http://{evil('all')}",
        "AWS_ENDPOINT_URL_S3": f"http://{evil('s3')}",
        "AWS_ENDPOINT_URL_S3_CONTROL": f"http://{evil('control')}",
        **{name: f"http://{evil(name)}:3128" for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY")},
        "BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{evil('container')}",
        "SSLKEYLOGFILE": str(run.directory / "keys"),
    }
    sections: list[str] = [
        f"endpoint_url = http://{evil('profile')}",
        f"services = away\n[services away]\ns3 =\n  endpoint_url = http://{evil('services')}",
        "s3 =\n  addressing_style = virtual",
        f"credential_process = curl http://{evil('process')}",
    ]
    for table in tables:
        for name, (in_file, variable, _, cast) in table.items():
            if name in OURS:
                continue
            for each in variable if isinstance(variable, list) else [variable]:
                if each:
                    variables[each] = value_for(name, cast)
            for each in in_file if isinstance(in_file, list) else [in_file]:
                if isinstance(each, tuple):
                    sections.append(f"{each[0]} =\n  {each[1]} = {value_for(name, cast)}")
                elif each:
                    sections.append(f"{each} = {value_for(name, cast)}")
    for name, value in variables.items():
        with environment(**{name: value}):
            run.do(f"variable {name}", run.use, may_fail=value == "evil")
    with environment(**{name: value for name, value in variables.items() if value != "evil"}):
        run.do("all variables", run.use)
    config = run.directory / "config"
    for section in sections:
        config.write_text(f"[default]\n{section}\n", encoding="utf-8")
        with environment(AWS_CONFIG_FILE=str(config)):
            run.do(f"profile {section}", run.use, may_fail=section.endswith("evil"))
    with environment(AWS_CSM_ENABLED="true", AWS_CSM_HOST=evil("monitor")):
        run.do("a monitor", run.use)


def all_events(run: Run) -> None:
    import boto3

    seen: list[str] = []
    session = boto3.Session(region_name="eu-west-1")
    events: Any = session.events
    events.register("*", lambda event_name, **_given: seen.append(event_name))
    run.do("a handler that only looks", lambda: run.use(session))

    def away(event_name: str, **given: Any) -> None:
        for each in given.values():
            if isinstance(each, dict) and isinstance(each.get("url"), str):
                each["url"] = each["url"].replace(HOST, evil("handler"))
            elif isinstance(each, dict) and "SDK::Endpoint" in each:
                each["SDK::Endpoint"] = f"https://{evil('builtin')}"
            elif isinstance(getattr(each, "url", None), str):
                each.url = each.url.replace(HOST, evil("handler"))

    names = {"*"}
    for name in seen:
        parts = name.split(".")
        names |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    for name in sorted(names):
        ours = boto3.Session(region_name="eu-west-1")
        registering: Any = ours.events
        registering.register_last(name, away)

        def change(s3: Any, name: str = name) -> None:
            s3.meta.events.register_first(name, away)
            s3.meta.events.register_last(name, away)

        run.do(f"handler on {name}", partial(run.use, ours, change=change), may_fail=True)


def all_transfers(run: Run) -> None:
    import awscrt.s3
    import boto3
    from boto3.s3.transfer import TransferConfig

    from s3private import connect

    for optimized in (False, True):
        # As boto3 finds it on the instance types for which it takes the CRT by itself.
        awscrt.s3.is_optimized_for_system = partial(bool, optimized)
        for preferred in (None, "auto", "crt", "classic"):
            config = TransferConfig(preferred_transfer_client=preferred) if preferred else None
            for role in (None, ROLE):
                what = f"transfers, {preferred}, optimized {optimized}" + (", role" if role else "")
                s3 = connect(run.route(), role_arn=role)
                run.do(what, partial(run.transfers, s3, config))
    # Last of all: the CRT goes on asking for its host by itself, in a thread of its own.
    plain: Any = boto3.client("s3", region_name="eu-west-1", endpoint_url=f"https://{HOST}")
    run.do("plain boto3 with the endpoint", partial(plain.put_object, Bucket="b", Key="k", Body=b"x"))
    upload = partial(plain.upload_file, str(run.directory / "up"), "b", "k", Config=TransferConfig())
    run.do("the same, upload_file by the CRT", upload, may_fail=True)


def main() -> None:
    directory = Path(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Where there is no address but 127.0.0.1, the CRT's resolver asks nobody.
    subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", directory / "resolv.conf", "/etc/resolv.conf"], check=True)
    run = Run(directory)
    os.environ.update(
        KEYS, AWS_CA_BUNDLE=str(run.server.bundle), AWS_EC2_METADATA_DISABLED="true", AWS_MAX_ATTEMPTS="1"
    )
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ[name] = str(directory / "none")
    run.do("nothing set", run.use)
    run.do("a role", lambda: run.use(role=ROLE))
    for name in ("HTTPS_PROXY", "AWS_ENDPOINT_URL_S3", "AWS_CSM_HOST"):
        with environment(**{name: f"http://{evil(name)}", "AWS_CSM_ENABLED": "true"}):
            run.do(f"a role and {name}", lambda: run.use(role=ROLE))
    all_settings(run)
    all_events(run)
    all_transfers(run)
    print(json.dumps({"found": run.found, "unnamed": run.unnamed, "failed": run.failed, "host": HOST, "sts": STS}))


main()
