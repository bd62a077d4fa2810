"""`dbutils`, as far as it goes here: secrets, widgets, notebook.exit, jobs.taskValues, credentials, fs.

https://docs.databricks.com/aws/en/dev-tools/databricks-utils
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from dbruntime.exits import NotebookExit
from dbruntime.task import call, task


class DBUtils:
    """`spark` is taken and not used, as `pyspark.dbutils.DBUtils(spark)` is called with one."""

    def __init__(self, spark: object = None, shell: object = None) -> None:
        self.secrets = _Secrets()
        self.widgets = _Widgets()
        self.notebook = _Notebook()
        self.jobs = _Jobs()
        self.credentials = _Credentials()
        self.fs = _Fs()


class _Secrets:
    def get(self, scope: str, key: str) -> str:
        return self.getBytes(scope, key).decode()

    def getBytes(self, scope: str, key: str) -> bytes:
        told = call("GET", f"/api/2.0/secrets/get?{urlencode({'scope': scope, 'key': key})}")
        return base64.b64decode(told["value"])


class InputWidgetNotDefined(Exception):
    pass


class _Widgets:
    """What the run passes wins over a widget's default."""

    def __init__(self) -> None:
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:
        self._defaults[name] = defaultValue

    def dropdown(self, name: str, defaultValue: str, choices: list[str], label: str | None = None) -> None:
        if defaultValue not in choices:
            raise ValueError(f"The default of the widget {name} is not one of its choices: {defaultValue}")
        self._defaults[name] = defaultValue

    combobox = multiselect = dropdown

    def get(self, name: str) -> str:
        values = self.getAll()
        if name not in values:
            raise InputWidgetNotDefined(f"No input widget named {name} is defined")
        return values[name]

    def getAll(self) -> dict[str, str]:
        return {**self._defaults, **task().get("widgets", {})}

    def remove(self, name: str) -> None:
        self._defaults.pop(name, None)

    def removeAll(self) -> None:
        self._defaults.clear()


class _Notebook:
    def exit(self, value: object) -> None:
        raise NotebookExit(str(value))

    def run(self, path: str, timeout_seconds: int = 0, arguments: object = None) -> str:
        raise NotImplementedError("dbutils.notebook.run does not run in the emulated workspace: make it a task")


class _TaskValues:
    """At most 48 KiB as JSON. https://docs.databricks.com/aws/en/jobs/task-values"""

    def set(self, key: str, value: Any) -> None:
        if len(json.dumps(value)) > 48 * 1024:
            raise ValueError(f"The task value {key} is larger than 48 KiB as JSON.")
        file = Path(task()["values_file"])
        held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**held, key: value}), encoding="utf-8")

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:
        held = task()["values"].get(taskKey, {})
        if key in held:
            return held[key]
        if default is None:
            raise ValueError(f"Task value with key {key} of task {taskKey} was not found, and no default was given.")
        return default


class _Jobs:
    def __init__(self) -> None:
        self.taskValues = _TaskValues()


class _Credentials:
    def getServiceCredentialsProvider(self, credential_name: str) -> Any:
        """A botocore session whose credentials the workspace vends, and vends again before they run out."""
        from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
        from botocore.session import get_session

        def keys() -> dict[str, str]:
            told = call(
                "POST", "/api/2.1/unity-catalog/temporary-service-credentials", {"credential_name": credential_name}
            )
            vended = told["aws_temp_credentials"]
            expires = datetime.fromtimestamp(told["expiration_time"] / 1000, UTC)
            return {
                "access_key": vended["access_key_id"],
                "secret_key": vended["secret_access_key"],
                "token": vended["session_token"],
                "expiry_time": expires.isoformat(),
            }

        class Vended(CredentialProvider):
            METHOD = "databricks-service-credential"

            def load(self) -> RefreshableCredentials:
                return RefreshableCredentials.create_from_metadata(keys(), keys, self.METHOD)

        session = get_session()
        session.register_component("credential_provider", CredentialResolver([Vended()]))
        return session


class FileInfo(NamedTuple):
    path: str
    name: str
    size: int
    modificationTime: int


class _Fs:
    """On /Volumes, by path; `dbfs:` before it is taken off."""

    def ls(self, path: str) -> list[FileInfo]:
        place = _place(path)
        found = []
        for entry in sorted(place.iterdir()):
            folder = entry.is_dir()
            end = "/" if folder else ""
            stat = entry.stat()
            size = 0 if folder else stat.st_size
            found.append(FileInfo(f"dbfs:{entry}{end}", entry.name + end, size, int(stat.st_mtime * 1000)))
        return found

    def head(self, path: str, maxBytes: int = 65536) -> str:
        with _place(path).open("rb") as file:
            return file.read(maxBytes).decode()

    def put(self, path: str, contents: str, overwrite: bool = False) -> bool:
        place = _place(path)
        if place.exists() and not overwrite:
            raise FileExistsError(str(place))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(contents, encoding="utf-8")
        return True

    def mkdirs(self, path: str) -> bool:
        _place(path).mkdir(parents=True, exist_ok=True)
        return True

    def rm(self, path: str, recurse: bool = False) -> bool:
        place = _place(path)
        if place.is_dir():
            shutil.rmtree(place) if recurse else place.rmdir()
        else:
            place.unlink()
        return True

    def cp(self, from_: str, to: str, recurse: bool = False) -> bool:
        source, target = _place(from_), _place(to)
        shutil.copytree(source, target) if source.is_dir() and recurse else shutil.copy(source, target)
        return True


def _place(path: str) -> Path:
    plain = path.removeprefix("dbfs:").removeprefix("file:")
    if not os.path.isabs(plain):
        raise ValueError(f"not an absolute path: {path}")
    return Path(plain)
