"""A program in the emulated network, with Python's own sockets and TLS."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap

import pytest

from emulator.network.ground import BUCKET_NAME, ENDPOINT, ENDPOINT_NAME, REGION, SERVICE, Ground
from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.place import INTERNET, VPC, Place, serverless
from s3private_emulator.serverless import environment

FETCH = textwrap.dedent("""
    import sys, urllib.request
    try:
        print(urllib.request.urlopen(f"https://{sys.argv[1]}/there", timeout=float(sys.argv[2])).read().decode())
    except Exception as error:
        print(repr(getattr(error, "reason", error)))
""")


def fetch(ground: Ground, place: Place, name: str, timeout: float = 5.0) -> str:
    return ground.python(place, FETCH, name, str(timeout))


def test_a_carried_name_reaches_s3_with_its_certificate_verified(ground: Ground) -> None:
    ground.carried[1] = {BUCKET_NAME: SERVICE}
    assert json.loads(fetch(ground, serverless(1), BUCKET_NAME)) == {"who": ENDPOINT, "path": "/there", "bytes": 0}


def test_before_the_rule_carries_it_the_name_times_out(ground: Ground) -> None:
    assert fetch(ground, serverless(1), BUCKET_NAME, 0.3) == "TimeoutError('timed out')"


def test_two_workspaces_differ(ground: Ground) -> None:
    ground.carried[2] = {BUCKET_NAME: SERVICE}
    assert "timed out" in fetch(ground, serverless(1), BUCKET_NAME, 0.3)
    assert json.loads(fetch(ground, serverless(2), BUCKET_NAME))["who"] == ENDPOINT


def test_a_wrong_name_does_not_resolve(ground: Ground) -> None:
    code = """
        import socket
        try:
            socket.getaddrinfo("bucket.vpce-9.s3.ap-northeast-1.vpce.amazonaws.com", 443)
        except socket.gaierror as error:
            print(error.errno == socket.EAI_NONAME)
    """
    assert ground.python(serverless(1), textwrap.dedent(code)) == "True"


def test_the_bare_endpoint_name_fails_verification(ground: Ground) -> None:
    ground.carried[1] = {ENDPOINT_NAME: SERVICE}
    said = fetch(ground, serverless(1), ENDPOINT_NAME)
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert "Hostname mismatch" in said


@pytest.mark.parametrize("prefix", ["bucket", "sales.bucket", "x.accesspoint", "x.control"])
def test_the_certificate_covers_what_s3s_own_covers(ground: Ground, prefix: str) -> None:
    assert json.loads(fetch(ground, VPC, f"{prefix}.{ENDPOINT_NAME}"))["who"] == ENDPOINT


@pytest.mark.parametrize("prefix", ["sales", "accesspoint", "a.sales.bucket"])
def test_the_certificate_covers_no_more(ground: Ground, prefix: str) -> None:
    assert "Hostname mismatch" in fetch(ground, VPC, f"{prefix}.{ENDPOINT_NAME}")


def test_a_name_of_ones_own_over_the_service_fails_verification(ground: Ground) -> None:
    ground.carried[1] = {"s3.example.com": SERVICE}
    assert "Hostname mismatch" in fetch(ground, serverless(1), "s3.example.com")


def test_the_emulators_authority_is_all_that_makes_it_trusted(ground: Ground) -> None:
    said = ground.python(VPC, FETCH, BUCKET_NAME, "5", env={"SSL_CERT_FILE": "/dev/null"})
    assert "CERTIFICATE_VERIFY_FAILED" in said


def test_public_hosts_are_reached_from_serverless(ground: Ground) -> None:
    for name in (f"s3.{REGION}.amazonaws.com", "sts.amazonaws.com", "accounts.cloud.databricks.com"):
        assert json.loads(fetch(ground, serverless(1), name))["who"] == "internet"


def test_inside_the_vpc_the_endpoint_answers_directly(ground: Ground) -> None:
    ground.hops.clear()
    assert json.loads(fetch(ground, VPC, BUCKET_NAME))["who"] == ENDPOINT


def test_inside_the_vpc_a_closed_security_group_times_out(ground: Ground) -> None:
    ground.views = [dataclasses.replace(ground.views[0], admits_vpc=False)]
    assert "timed out" in fetch(ground, VPC, BUCKET_NAME, 0.3)


def test_an_endpoint_not_yet_available_times_out(ground: Ground) -> None:
    ground.views = [dataclasses.replace(ground.views[0], available=False)]
    assert "timed out" in fetch(ground, VPC, BUCKET_NAME, 0.3)


def test_on_the_internet_a_private_address_times_out(ground: Ground) -> None:
    assert "timed out" in fetch(ground, INTERNET, BUCKET_NAME, 0.3)


@pytest.mark.parametrize(
    ("passage", "seen"),
    [(Passage.TIMEOUT, "timed out"), (Passage.RESET, "Connection reset by peer")],
)
def test_a_gap_in_the_path_fails_as_it_does_in_the_field(ground: Ground, passage: Passage, seen: str) -> None:
    ground.carried[1] = {BUCKET_NAME: SERVICE}
    ground.hops[SERVICE] = Hop(passage=passage, reason="no targets")
    assert seen in fetch(ground, serverless(1), BUCKET_NAME, 0.5)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.20.1.10", "8.8.8.8", "fd00:ec2::254", "2001:db8::1"])
def test_no_packet_leaves_loopback(ground: Ground, address: str) -> None:
    code = """
        import errno, socket, sys
        family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
        codes = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as s:
                codes.append(s.connect_ex((sys.argv[1], 80)))
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            to = (sys.argv[1], 53)
            for send in (
                lambda: s.sendto(b"x", to), lambda: s.sendto(b"x", 0, to), lambda: s.sendmsg([b"x"], [], 0, to)
            ):
                try:
                    send()
                except OSError as error:
                    codes.append(error.errno)
        print(codes == [errno.ENETUNREACH] * 5)
    """
    assert ground.python(serverless(1), textwrap.dedent(code), address) == "True"


def test_every_way_to_ask_for_a_name_is_answered_by_the_emulated_dns(ground: Ground) -> None:
    code = """
        import socket
        name = "s3.ap-northeast-1.amazonaws.com"
        one = socket.gethostbyname(name)
        assert one == socket.gethostbyname_ex(name)[2][0] == socket.getaddrinfo(name, None)[0][4][0]
        assert one == socket.getaddrinfo(name.encode(), "https", type=socket.SOCK_STREAM)[0][4][0]
        for ask in (socket.gethostbyname, socket.gethostbyname_ex, lambda n: socket.getaddrinfo(n, 443)):
            try:
                ask("example.com")
            except socket.gaierror:
                print("unknown")
        print(socket.getfqdn("example.com"))
        with socket.create_connection((one, 443), timeout=5) as s:
            print(s.getpeername()[0])
    """
    said = ground.python(serverless(1), textwrap.dedent(code)).split()
    assert said == ["unknown", "unknown", "unknown", "example.com", "127.0.0.1"]


def test_asyncio_goes_the_same_way(ground: Ground) -> None:
    code = """
        import asyncio, ssl
        async def main():
            reader, writer = await asyncio.open_connection(
                "sts.amazonaws.com", 443, ssl=ssl.create_default_context())
            writer.write(b"GET /there HTTP/1.1\\r\\nHost: sts.amazonaws.com\\r\\nConnection: close\\r\\n\\r\\n")
            print((await reader.read()).decode())
            writer.close()
            await writer.wait_closed()
        asyncio.run(main())
    """
    assert '"who": "internet"' in ground.python(serverless(1), textwrap.dedent(code))


def test_loopback_itself_is_left_alone(ground: Ground) -> None:
    code = """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server:
            for host in ("127.0.0.1", "localhost"):
                with socket.create_connection((host, server.getsockname()[1]), timeout=5):
                    print("there")
    """
    assert ground.python(serverless(1), textwrap.dedent(code)).split() == ["there", "there"]


def test_a_running_program_keeps_its_dns_and_a_new_one_asks_again(ground: Ground) -> None:
    """https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""
    code = f"""
        import socket, sys
        for line in sys.stdin:
            try:
                socket.create_connection(("{BUCKET_NAME}", 443), timeout=0.3).close()
                print("there", flush=True)
            except TimeoutError:
                print("timed out", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment(ground.control_url, serverless(1)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None

        def again() -> str:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write("again\n")
            running.stdin.flush()
            return running.stdout.readline().strip()

        assert again() == "timed out"
        ground.carried[1] = {BUCKET_NAME: SERVICE}
        assert again() == "timed out"
        running.stdin.close()
        assert running.wait(10) == 0
    assert json.loads(fetch(ground, serverless(1), BUCKET_NAME))["who"] == ENDPOINT


def test_the_program_sees_nothing_of_this_machines_settings(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("DATABRICKS_HOST", "https://example.cloud.databricks.com")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(ground.python(serverless(1), code, env={"AWS_ACCESS_KEY_ID": "given"}))
    assert seen["AWS_ACCESS_KEY_ID"] == "given"
    assert seen["DATABRICKS_RUNTIME_VERSION"].startswith("client.")
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "DATABRICKS_HOST"} & set(seen)
    assert "DATABRICKS_RUNTIME_VERSION" not in json.loads(ground.python(VPC, code))


def test_a_program_outlives_the_emulator_with_a_plain_error(ground: Ground) -> None:
    gone = {"S3PRIVATE_EMULATOR_PLACE": "serverless:1@127.0.0.1:1"}
    said = ground.python(serverless(1), FETCH, BUCKET_NAME, "1", env=gone)
    assert "the emulated network is gone" in said
