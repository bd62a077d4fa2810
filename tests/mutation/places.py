"""Where a module can be changed in one place so that a test ought to see it, and to what.

Only what decides: comparisons, branches, numbers, operators, calls for their effect. Texts, annotations and decorators
stay as they are.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True)
class Mutant:
    """One change. start, end: bytes of the source that it takes the place of."""

    line: int
    start: int
    end: int
    before: str
    after: str

    def named(self, source: bytes) -> str:
        """By its line's text, which stays when lines above it come and go."""
        flat = [" ".join(text.split()) for text in (self.before, self.after)]
        return f"{source.splitlines()[self.line - 1].decode().strip()} | {flat[0]} -> {flat[1]}"

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants(source: bytes) -> list[Mutant]:
    """All of a module, in the order of its lines; each leaves a module that Python can read."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, after in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        before = source[start:end].decode()
        each = Mutant(node.lineno, start, end, before, after)
        try:
            compile(each.applied(source), "mutant", "exec")
        except SyntaxError:
            continue
        if after != before:
            found.append(each)
    return sorted(found, key=lambda each: (each.start, each.end, each.after))


Change = tuple[ast.expr | ast.stmt, str]


def _changes(node: ast.AST) -> Iterator[Change]:
    for child in _children(node):
        if isinstance(child, ast.expr):
            yield from _of_expression(child)
        elif isinstance(child, ast.stmt):
            yield from _of_statement(child)
        yield from _changes(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Without what has no effect when the program runs."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(node, ast.JoinedStr):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield each


def _of_expression(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for at, operator in enumerate(ops):
                swapped = [*ops[:at], _COMPARISONS[type(operator)](), *ops[at + 1 :]]
                yield node, f"({ast.unparse(ast.Compare(left=left, ops=swapped, comparators=comparators))})"
        case ast.BoolOp(op=operator, values=values):
            other: ast.boolop = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(op=other, values=values))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"bool({ast.unparse(operand)})"
        case ast.IfExp(test=test):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() as value):
            yield node, str(value + 1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            # `"%d" % n` and `bytes | bytearray` are no arithmetic.
            text = isinstance(left, ast.Constant | ast.JoinedStr) and isinstance(operator, ast.Mod)
            if not text and not (isinstance(operator, ast.BitOr) and _is_type(left)):
                swapped_operator = _OPERATORS[type(operator)]()
                yield node, f"({ast.unparse(ast.BinOp(left=left, op=swapped_operator, right=right))})"


def _is_type(node: ast.expr) -> bool:
    return "None" in ast.unparse(node) or ast.unparse(node).split("[")[0].split(" ")[0] in dir(builtins)


def _of_statement(node: ast.stmt) -> Iterator[Change]:
    match node:
        case ast.If(test=test) | ast.While(test=test):
            # A comparison that is turned is the same.
            if "TYPE_CHECKING" not in ast.unparse(test) and not isinstance(test, ast.Compare):
                yield test, f"(not ({ast.unparse(test)}))"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AugAssign():
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.Break():
            yield node, "continue"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return None"
