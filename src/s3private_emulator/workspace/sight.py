"""What a task sees of /Volumes and /Workspace: what its identity has a right to, and no more.

https://docs.databricks.com/aws/en/volumes/privileges · https://docs.databricks.com/aws/en/jobs/privileges#run-as
"""

from __future__ import annotations

from s3private_emulator.workspace.catalog import Catalog
from s3private_emulator.workspace.folders import Denied
from s3private_emulator.workspace.identity import Principal
from s3private_emulator.workspace.privileges import Privileges
from s3private_emulator.workspace.tree import Tree


class Sight:
    def __init__(self, tree: Tree, catalog: Catalog, privileges: Privileges) -> None:
        self._tree = tree
        self._catalog = catalog
        self._privileges = privileges

    def place(self, principal: Principal, path: str) -> str | None:
        """The path at which a task finds a workspace file or notebook; None where it sees none."""
        return self._tree.seen(path, principal)

    def reads(self, principal: Principal, path: str) -> bool:
        """Whether a file of a volume or of the workspace may be read; of one that is nowhere: no matter."""
        parts = path.split("/")
        if parts[1:2] == ["Volumes"]:
            return self._privileges.reaches(principal, "volume", ".".join(parts[2:5]), "READ_VOLUME")
        return self.place(principal, path) is not None

    def denied(self, principal: Principal) -> Denied:
        hidden, read_only = [], []
        for name in self._catalog.volume_names():
            place = "/Volumes/" + name.replace(".", "/")
            if not self._privileges.reaches(principal, "volume", name, "READ_VOLUME"):
                hidden.append(place)
            elif not self._privileges.reaches(principal, "volume", name, "WRITE_VOLUME"):
                read_only.append(place)
        return Denied((*hidden, *self._tree.hidden(principal)), tuple(read_only))
