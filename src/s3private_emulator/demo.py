"""`make demo`: the whole story of a private path, told with the real command against the emulated clouds.

Everything is run as a user runs it, in child processes: `s3private` in a shell, notebook code as serverless compute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from s3private_emulator import serverless
from s3private_emulator.__main__ import DEMO_DELAYS
from s3private_emulator.emulator import Emulator
from s3private_emulator.place import VPC, Place
from s3private_emulator.place import serverless as serverless_of

_PATH_FILE = """\
[path]
name = "demo"
region = "{region}"

[aws]
account_id = "{account}"
role_arn = "{role}"
external_id = "{external_id}"
vpc_id = "{vpc}"
subnet_ids = {subnets}

[s3]
buckets = ["{bucket}"]

[databricks]
account_id = "{databricks}"
workspace_ids = [{workspaces}]

[route]
file = "{route}"
"""

_PLAIN = """\
import sys, boto3
from botocore.config import Config
bucket, region, endpoint = sys.argv[1:4]
s3 = boto3.client("s3", region_name=region, endpoint_url=endpoint or None,
                  config=Config(connect_timeout=2, retries={"total_max_attempts": 1}))
try:
    for item in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        print("   ", item["Key"])
except Exception as error:
    sys.exit(f"    {type(error).__name__}: {error}")
"""

_NOTEBOOK = """\
import sys, s3private
s3 = s3private.connect(sys.argv[2])
for entry in s3private.list_objects(s3, f"s3://{sys.argv[1]}/"):
    print("   ", entry.key, entry.size)
for read in s3private.read_objects(s3, [f"s3://{sys.argv[1]}/readme.txt"]):
    print("   ", read.body.decode().strip())
"""


class Broken(Exception):
    """A step of the story did not end as it should."""


class Story:
    def __init__(self, emulator: Emulator, directory: Path) -> None:
        self.emulator = emulator
        self.directory = directory
        self.world = emulator.world
        self.bucket = next(iter(self.world.buckets))
        self.workspace = self.world.workspaces[0].id
        self.route = directory / "demo.route.json"
        self._number = 0

    def say(self, line: str) -> None:
        self._number += 1
        print(f"\n== {self._number}. {line}", flush=True)

    def write_path_file(self, *, workspaces: str) -> Path:
        world = self.world
        file = self.directory / "demo.toml"
        text = _PATH_FILE.format(
            region=world.region,
            account=world.data_account,
            role=world.role_arn,
            external_id=world.external_id,
            vpc=world.vpc.id,
            subnets=[subnet.id for subnet in world.vpc.subnets],
            bucket=self.bucket,
            databricks=world.databricks_account,
            workspaces=workspaces,
            route=self.route,
        )
        file.write_text(text.replace("'", '"'), encoding="utf-8")
        return file

    def command(self, *words: str) -> None:
        print(f"$ s3private {' '.join(words)}".replace(f"{self.directory}/", ""), flush=True)
        environment = {**os.environ, **self.emulator.exports()}
        done = subprocess.run([sys.executable, "-m", "s3private", *words], env=environment, check=False)
        if done.returncode != 0:
            raise Broken(f"s3private ended with {done.returncode}")

    def notebook(self, place: Place, code: str, *argv: str, works: bool) -> None:
        """Run notebook code there, with the credentials that a notebook would be given."""
        credentials = self._credentials()
        done = serverless.run(self.emulator, argv, code=code, place=place, env=credentials, cwd=self.directory)
        print((done.stdout + done.stderr).rstrip(), flush=True)
        if (done.returncode == 0) is not works:
            raise Broken("this should have worked" if works else "this should not have worked")

    def _credentials(self) -> dict[str, str]:
        return self.emulator.reader_keys()

    def endpoint_url(self) -> str:
        return str(json.loads(self.route.read_text(encoding="utf-8"))["endpoint_url"])

    def tell(self) -> None:
        world, here = self.world, serverless_of(self.workspace)
        file = str(self.write_path_file(workspaces=""))
        self.say("The plan: read only")
        self.command("plan", file)
        self.say("Provision, up to the NCC; what takes minutes in the clouds takes seconds here")
        self.command("provision", file, "--poll", "1s")
        endpoint = self.endpoint_url()
        self.say("Serverless, no endpoint_url: it lists, but through the public endpoint")
        self.notebook(here, _PLAIN, self.bucket, world.region, "", works=True)
        self.say("Serverless, with endpoint_url, before the NCC is attached: it times out")
        self.notebook(here, _PLAIN, self.bucket, world.region, endpoint, works=False)
        self.say("Inside the VPC, with endpoint_url: it lists")
        self.notebook(VPC, _PLAIN, self.bucket, world.region, endpoint, works=True)
        self.say(f"Attach workspace {self.workspace}: one more line in the path file, and provision again")
        file = str(self.write_path_file(workspaces=str(self.workspace)))
        self.command("provision", file, "--poll", "1s")
        self._until_in_force()
        self.say("Serverless again, the same code with endpoint_url: it lists")
        self.notebook(here, _PLAIN, self.bucket, world.region, endpoint, works=True)
        self.say("Serverless with s3private: no endpoint typed by hand, and no other host can be reached")
        self.notebook(here, _NOTEBOOK, self.bucket, str(self.route), works=True)
        self.say("Provision once more: nothing to do")
        mark = self.emulator.log.mark()
        self.command("provision", file)
        writes = self.emulator.log.writes(mark)
        print(f"writing calls: {len(writes)}")
        if writes:
            raise Broken(f"a second provision wrote: {writes}")

    def _until_in_force(self) -> None:
        """The network takes an attachment up a while after the API says so: about ten minutes in the field."""
        until = time.monotonic() + 30
        while not self.emulator.account.carried_names(self.workspace):
            if time.monotonic() > until:
                raise Broken("the attachment never came into force")
            time.sleep(0.2)


_CLOSING = """
That was the emulator. For real accounts: copy paths/demo.toml, put your own ids in, log in to AWS (AWS_PROFILE), set
DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of an account admin service principal, and begin with
`s3private plan paths/<yours>.toml`, which writes nothing. The README says what rights each side needs.
"""


def main() -> int:
    began = time.monotonic()
    print("The emulated clouds are starting: AWS, a Databricks account, and the network between them, on loopback.")
    with Emulator(delays=DEMO_DELAYS) as emulator, tempfile.TemporaryDirectory(prefix="s3private-demo-") as directory:
        try:
            Story(emulator, Path(directory)).tell()
        except Broken as broken:
            print(f"demo: {broken}", file=sys.stderr)
            return 1
        unknown = emulator.log.unknown()
        if unknown:
            print(f"demo: the emulator was asked what it does not know: {unknown}", file=sys.stderr)
            return 1
    print(_CLOSING)
    print(f"Told in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
