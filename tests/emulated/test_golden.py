"""The exact text a user sees, command by command, on the same clouds one after another.

The texts are in golden/. After a change that is meant, write them anew and read the difference before committing it:
    S3PRIVATE_GOLDEN=rewrite .venv/bin/python -m pytest tests/emulated/test_golden.py && git diff tests/emulated/golden
Ids are renumbered in the order in which they appear, keeping their length; dates and times are left out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulated.conftest import prepared
from emulated.ground import Ground
from emulated.hand import Hand
from s3private.cli import main
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator

GOLDEN = Path(__file__).parent / "golden"
_FILE = "paths/demo.toml"
COMMANDS = {
    "plan": ["plan", _FILE],
    "refused": ["plan", "paths/wrong.toml"],
    "provision": ["provision", _FILE],
    "provision-again": ["provision", _FILE],
    "stranger": ["plan", _FILE],
    "drifted": ["maintain", _FILE],
    "destroy-unconfirmed": ["destroy", _FILE],
    "destroy": ["destroy", _FILE, "--confirm", "demo"],
}
"""In this order."""
_WAITS = (
    Takes.ENDPOINT_AVAILABLE,
    Takes.LOAD_BALANCER_ACTIVE,
    Takes.TARGET_HEALTHY,
    Takes.RULE_ENDPOINT_ID,
    Takes.RULE_ESTABLISHED,
    Takes.WORKSPACE_RUNNING,
)


def ran(ground: Ground, words: list[str]) -> str:
    """The command, what it printed, and its exit code."""
    files = {_FILE: str(ground.file), "paths/wrong.toml": str(ground.file.with_name("wrong.toml"))}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        # So short that nothing is seen of it.
        poll = [] if words[0] == "plan" else ["--poll", "0.01"]
        code = main([*(files.get(word, word) for word in words), *poll])
    text = f"$ s3private {' '.join(words)}\n{out.getvalue()}-- standard error\n{err.getvalue()}-- exit code {code}\n"
    for shown, file in files.items():
        text = text.replace(file, shown)
    return text


class Renumbered:
    """Replaces each id by one of its kind and length, numbered as it first appears."""

    _ID = re.compile(
        r"(?P<prefix>vpce-svc-|vpce-|sg-|ncc-|/)(?P<hex>[0-9a-f]{16,17})\b"
        r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})"
        r"|(?P<suffix>(?<=-)[a-z0-9]{8}(?=\.s3\.))"
    )

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        untimed = re.sub(r"^\d\d:\d\d:\d\d  ", "", text, flags=re.MULTILINE)
        return self._ID.sub(self._number, re.sub(r"\b20\d\d-\d\d-\d\d\b", "YYYY-MM-DD", untimed))

    def _number(self, match: re.Match[str]) -> str:
        text = match[0]
        if text not in self._seen:
            digits = match["hex"] or match["uuid"] or match["suffix"]
            number = str(len(self._seen) + 1)
            zeroed = re.sub(r"[0-9a-z]", "0", digits)
            self._seen[text] = (match["prefix"] or "") + zeroed[: -len(number)] + number
        return self._seen[text]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every command's transcript, by name."""
    home = tmp_path_factory.mktemp("golden")
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        ground = prepared(emulator, home, environment)
        for takes in _WAITS:
            emulator.delays.set(takes, Delay(polls=2))
        environment.chdir(home)
        text = ground.file.read_text(encoding="utf-8").replace(str(ground.route), ground.route.name)
        ground.file.write_text(text, encoding="utf-8")
        wrong = ground.file.read_text(encoding="utf-8").replace("external_id", "externalid")
        ground.file.with_name("wrong.toml").write_text(wrong, encoding="utf-8")
        transcripts, stranger = {}, ""
        renumbered = Renumbered()
        for name, words in COMMANDS.items():
            if name == "stranger":
                (rule,) = emulator.account.rules()
                stranger = emulator.stranger(rule.endpoint_service)
            if name == "drifted":
                Hand(ground.hand).cross_zone()
            if name == "destroy":
                hand = Hand(ground.hand)
                hand.ec2.reject_vpc_endpoint_connections(ServiceId=hand.service, VpcEndpointIds=[stranger])
            transcripts[name] = renumbered(ran(ground, words))
        yield transcripts


@pytest.mark.parametrize("name", COMMANDS)
def test_a_user_sees_exactly_this(told: dict[str, str], name: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("S3PRIVATE_GOLDEN") == "rewrite":
        file.write_text(told[name], encoding="utf-8")
    assert told[name] == file.read_text(encoding="utf-8")


def test_every_text_belongs_to_a_command() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(COMMANDS)
