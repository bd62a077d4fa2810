"""`python -m s3private_emulator`: the emulated clouds in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator

DEMO_DELAYS: dict[Takes, Delay] = {
    Takes.ENDPOINT_AVAILABLE: Delay(seconds=2),
    Takes.LOAD_BALANCER_ACTIVE: Delay(seconds=3),
    Takes.TARGET_HEALTHY: Delay(seconds=2),
    Takes.SERVICE_AVAILABLE: Delay(seconds=1),
    Takes.RULE_ENDPOINT_ID: Delay(seconds=2),
    Takes.CONNECTION_AVAILABLE: Delay(seconds=1),
    Takes.RULE_ESTABLISHED: Delay(seconds=3),
    Takes.WORKSPACE_RUNNING: Delay(seconds=1),
    Takes.ATTACHMENT_IN_FORCE: Delay(seconds=2),
}
"""Minutes on the real clouds, seconds here, so that the waits are seen."""


def delays_of(words: Sequence[str]) -> dict[Takes, Delay]:
    """`none`, `demo`, `KEY=VALUE`..., the later over the earlier. Raises ValueError."""
    delays: dict[Takes, Delay] = {}
    for word in words:
        if word == "none":
            delays.clear()
        elif word == "demo":
            delays |= DEMO_DELAYS
        else:
            key, equals, value = word.partition("=")
            if not equals or key not in list(Takes):
                raise ValueError(f"not a delay: {word!r} (none, demo, or KEY=VALUE with KEY one of {', '.join(Takes)})")
            delays[Takes(key)] = Delay.parse(value)
    return delays


def contents(emulator: Emulator) -> str:
    """What a person needs to know of the world to write a path file."""
    world = emulator.world
    lines = [
        f"AWS {world.region}, data account {world.data_account}",
        f"  role        {world.role_arn} (external id {world.external_id})",
        f"  vpc         {world.vpc.id} {world.vpc.cidr}",
        *(f"  subnet      {subnet.id} {subnet.zone} {subnet.cidr}" for subnet in world.vpc.subnets),
        *(f"  bucket      {name} ({len(objects)} objects)" for name, objects in world.buckets.items()),
        f"Databricks account {world.databricks_account}",
        *(f"  workspace   {workspace.id} {workspace.name}" for workspace in world.workspaces),
        f"Control {emulator.control_url}/_emulator/requests",
    ]
    return "\n".join(f"# {line}" for line in lines)


def uv_export(folder: Path) -> str:
    """The line that puts uv on PATH, which builds the bundle's wheel, where it lies beside this Python only.

    Not the whole directory: an old program named databricks lies there too.
    """
    beside = Path(sys.executable).with_name("uv")
    if shutil.which("uv") is not None or not beside.exists():
        return ""
    (folder / "uv").symlink_to(beside)
    return f'export PATH="$PATH":{shlex.quote(str(folder))}\n'


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m s3private_emulator", description="AWS and Databricks on loopback.")
    parser.add_argument(
        "--delays", nargs="+", default=["none"], metavar="none|demo|KEY=VALUE", help="how long things take; none"
    )
    parser.add_argument("--exports-file", type=Path, metavar="F", help="write the export lines to this file too")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="keep what the clouds know here, for another start; forgotten",
    )
    args = parser.parse_args(argv)
    try:
        delays = delays_of(args.delays)
    except ValueError as error:
        parser.error(str(error))

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    with Emulator(delays=delays, state=args.state) as emulator, tempfile.TemporaryDirectory() as folder:
        settings = {**emulator.exports(), **emulator.workspace_exports()}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
        exports += uv_export(Path(folder))
        kept = f"What the clouds and workspaces know is kept in {args.state}." if args.state else "Nothing is kept."
        if args.exports_file:
            args.exports_file.write_text(exports, encoding="utf-8")
        print(contents(emulator), exports, f"# Ctrl-C ends it. {kept}", sep="\n", flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
