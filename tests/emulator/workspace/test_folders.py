"""/Volumes and /Workspace are folders for a task, in both ways of making them so, and nowhere on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.workspace.site import HOME, Site, site
from s3private_emulator.workspace.folders import namespaces_allowed

FILES = """
import glob, os, pathlib, shutil, subprocess, sys, tempfile

VOLUME = "/Volumes/main/default/files"

os.makedirs(f"{VOLUME}/a/b", exist_ok=True)
with open(f"{VOLUME}/a/b/one.txt", "w") as file:
    file.write("one")
pathlib.Path(VOLUME, "a", "two.bin").write_bytes(b"two")
os.replace(f"{VOLUME}/a/two.bin", f"{VOLUME}/a/three.bin")
shutil.copy(f"{VOLUME}/a/b/one.txt", f"{VOLUME}/copied.txt")
shutil.copytree(f"{VOLUME}/a", f"{VOLUME}/tree")
with tempfile.NamedTemporaryFile(dir=VOLUME, suffix=".tmp") as file:
    print("temporary", os.path.dirname(file.name), os.path.exists(file.name))
print("list", sorted(os.listdir(VOLUME)), sorted(entry.name for entry in pathlib.Path(VOLUME).iterdir()))
print("glob", sorted(glob.glob(f"{VOLUME}/**/*.*", recursive=True)))
print("walk", [(folder, sorted(files)) for folder, _, files in sorted(os.walk(f"{VOLUME}/a"))])
print("stat", os.stat(f"{VOLUME}/copied.txt").st_size, os.path.isdir(VOLUME), os.path.isfile("/Volumes/nothing"))
shutil.rmtree(f"{VOLUME}/tree")
os.remove(f"{VOLUME}/copied.txt")
os.chdir(f"{VOLUME}/a")
print("here", os.getcwd(), open("three.bin", "rb").read())
os.chdir("/")
child = [sys.executable, "-c", f"print(open('{VOLUME}/a/b/one.txt').read())"]
print("child", subprocess.run(child, capture_output=True, text=True).stdout.strip())
tries = (lambda: open("/Workspace/no.txt", "w"), lambda: os.mkdir("/Workspace/no"), lambda: os.remove(__file__))
for attempt in tries:
    try:
        attempt()
    except OSError as error:
        print("refused", error.strerror)
try:
    open("/Volumes/main/default/gone/x", "w")
except FileNotFoundError:
    print("no such volume")
"""
SAID = """
temporary /Volumes/main/default/files True
list ['a', 'copied.txt', 'tree'] ['a', 'copied.txt', 'tree']
glob ['/Volumes/main/default/files/a/b/one.txt', '/Volumes/main/default/files/a/three.bin', \
'/Volumes/main/default/files/copied.txt', '/Volumes/main/default/files/tree/b/one.txt', \
'/Volumes/main/default/files/tree/three.bin']
walk [('/Volumes/main/default/files/a', ['three.bin']), ('/Volumes/main/default/files/a/b', ['one.txt'])]
stat 3 True False
here /Volumes/main/default/files/a b'two'
child one
refused Read-only file system
refused Read-only file system
refused Read-only file system
no such volume
"""
NOTEBOOK = b"""# Databricks notebook source
import os
import neighbour

# COMMAND ----------

print(neighbour.__name__, os.getcwd(), sorted(os.listdir(".")))
"""


@pytest.fixture(params=["private root", "Python alone"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    private = request.param == "private root"
    if private and not namespaces_allowed():
        pytest.skip("this machine lets no process make namespaces of its own: tasks get /Volumes by Python alone")
    with site(tmp_path, private_roots=private) as made:
        volume = {"catalog_name": "main", "schema_name": "default", "name": "files", "volume_type": "MANAGED"}
        made.call("POST", "/api/2.1/unity-catalog/volumes", volume)
        yield made


def said(here: Site, task: dict[str, object]) -> str:
    environment = {"environment_key": "e", "spec": {"environment_version": "4"}}
    run = here.ended(here.start(here.job({"task_key": "t", **task}, environments=[environment])))
    output = here.outputs(run)["t"]
    assert run["state"]["result_state"] == "SUCCESS", output
    return str(output["logs"])


def test_python_finds_and_changes_files_as_on_serverless(here: Site) -> None:
    here.put(f"{HOME}/files.py", FILES.encode())
    printed = said(here, {"environment_key": "e", "spark_python_task": {"python_file": f"{HOME}/files.py"}})
    assert printed == SAID.lstrip()
    assert not Path("/Volumes").exists()
    assert not Path("/Workspace").exists()
    read = here.client.files.download("/Volumes/main/default/files/a/b/one.txt").contents
    assert read is not None
    assert read.read() == b"one"


def test_a_notebook_imports_what_lies_beside_it(here: Site) -> None:
    here.put(f"{HOME}/book.py", NOTEBOOK)
    here.put(f"{HOME}/neighbour.py", b"")
    printed = said(here, {"notebook_task": {"notebook_path": f"{HOME}/book"}})
    assert printed == f"neighbour {HOME} ['book', 'neighbour.py']\n"
