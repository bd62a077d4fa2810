"""Others' things in the Databricks account: what does not show that it is this path's is left alone."""

from __future__ import annotations

from emulated.ground import Ground
from s3private.provision.engine import Outcome
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig


def test_an_ncc_of_the_paths_name_that_is_somebody_elses_is_neither_used_nor_deleted(ground: Ground) -> None:
    theirs = ground.make_ncc("s3private-demo")
    assert ground.destroy().outcome is Outcome.SETTLED
    assert [ncc.id for ncc in ground.emulator.account.nccs()] == [theirs]
    done = ground.provision()
    assert done.outcome is Outcome.SETTLED
    assert done.found[NetworkConnectivityConfig].id != theirs
    assert theirs in [ncc.id for ncc in ground.emulator.account.nccs()]


def test_the_nccs_name_tells_account_owner_region_and_path_apart_and_fits(ground: Ground) -> None:
    config = ground.config
    names = {config.ncc_name, config.owned_by("prod", "x").ncc_name}
    for old, new in (
        ("222222222222", "111111111111"),
        ('"demo"', '"demo-with-a-long-nam"'),
        ('"demo"', '"demo-with-a-long-nan"'),
    ):
        text = ground.file.read_text(encoding="utf-8")
        ground.file.write_text(text.replace(old, new), encoding="utf-8")
        names.add(ground.config.ncc_name)
        ground.file.write_text(text, encoding="utf-8")
    assert len(names) == 5
    assert all(3 <= len(name) <= 30 and name.startswith("s3private-demo") for name in names)
