"""What the mutation tool changes: one place each, in what decides; the module stays one that Python reads."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from mutation.places import mutants

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("if a < b: c()", {"if (a <= b): c()", "if a < b: pass"}),
        ("if a and not b: raise C", {"if (a or not b): raise C", "if a and bool(b): raise C", "if a and not b: pass"}),
        ("x = (é + 2) // 3", {"x = ((é - 2)) // 3", "x = ((é + 2) * 3)", "x = (é + 3) // 3", "x = (é + 2) // 4"}),
        ("while True:\n    break", {"while False:\n    break", "while True:\n    continue"}),
        ("def f():\n    self.x = a\n    return a", {"def f():\n    pass\n    return a", "return None"}),
        ('def f(a: int | None) -> "x":\n    "a doc" + 1', {"-", "2"}),
        ("@d(slots=True)\nclass A:\n    b: int | None = None", set()),
        ("if TYPE_CHECKING:\n    from a import b", set()),
    ],
)
def test_each_change_is_of_one_place(code: str, after: set[str]) -> None:
    made = {each.applied(code.encode()).decode() for each in mutants(code.encode())}
    for text in made:
        ast.parse(text)
    assert code not in made
    if not after:
        assert made == set()
    for wanted in after:
        assert any(wanted in text for text in made), (wanted, made)


def test_every_module_that_is_named_and_its_tests_are_there_and_no_reason_is_of_yesterday() -> None:
    for name, concern in tomllib.loads((ROOT / "tests/mutation/concerns.toml").read_text()).items():
        source = (ROOT / f"src/s3private/{name}.py").read_bytes()
        assert all((ROOT / test.partition("::")[0]).exists() for test in concern["tests"]), name
        there = {each.named(source) for each in mutants(source)}
        assert set(concern.get("equal", {})) <= there, name
