"""Puts preemption points into the source of a module: calls of a function that may let other threads run first.

A point stands before each statement of a function, at the end of the body of each `while`, and within what reads and
then writes: ``x.y op= z``, ``x[i] op= z``, and the same for variables that are `global` or `nonlocal`, between reading
and writing; ``x.y = z`` between evaluating `z` and writing, where `z` looks at anything that another thread may change.

Nothing is evaluated twice or in another order, for no target is rewritten: a point within an assignment stands around
its right side, which Python evaluates after it has read the target, and before it writes. No name is added to any scope
but one builtin. Modules' and classes' own bodies have no points.

Within an expression there are points where something is done again and again, for whatever it goes through may change
meanwhile: ``[len(x) for x in self.items()]`` then raises "dictionary changed size during iteration". A comprehension or
a generator expression has one around each element and around each first condition, and a `lambda` has one around its
value, because `max`, `sorted` and the like call it for each. Nothing else has: ``f(x.a, x.b)`` reads both at once.
"""

import ast
from collections.abc import Iterator

POINT = "__glitchgrid_point__"
"""The builtin that is called: with the place, the weight in per mille, and within an assignment with the value."""

WITHIN = " within"
"""What the place of a point within an assignment ends with."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_BLOCKS = ("body", "orelse", "finalbody")
_LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_LOOKING = (ast.Attribute, ast.Subscript, ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.ListComp, ast.SetComp,
            ast.DictComp, ast.GeneratorExp)  # fmt: skip
"""Expressions that see what is not the thread's alone."""


def with_points(source: bytes | str, path: str, module: str, per_mille: int) -> ast.Module:
    """The tree of a module, to be compiled.

    :param module: what its points' places begin with: ``module:line``.
    :param per_mille: how likely a thread is preempted at one of them; it is passed on.
    :raises SyntaxError: as `compile`.
    """
    tree = ast.parse(source, path)
    _Module(module, per_mille).visit(tree)
    return tree


class _Module(ast.NodeVisitor):
    """Changes functions in place; whatever else it looks through."""

    def __init__(self, module: str, per_mille: int) -> None:
        self._module = module
        self._per_mille = per_mille
        self._functions_around = 0

    def visit_FunctionDef(self, function: ast.FunctionDef) -> None:
        self._change(function)

    def visit_AsyncFunctionDef(self, function: ast.AsyncFunctionDef) -> None:
        self._change(function)

    def visit_Lambda(self, function: ast.Lambda) -> None:
        self._look_into(function)
        function.body = self._after(function.body)

    def visit_ListComp(self, comprehension: ast.ListComp) -> None:
        self._repeat(comprehension)

    def visit_SetComp(self, comprehension: ast.SetComp) -> None:
        self._repeat(comprehension)

    def visit_GeneratorExp(self, comprehension: ast.GeneratorExp) -> None:
        self._repeat(comprehension)

    def visit_DictComp(self, comprehension: ast.DictComp) -> None:
        self._repeat(comprehension)

    def _repeat(self, comprehension: Comprehension) -> None:
        self.generic_visit(comprehension)
        if not self._functions_around:
            return
        if isinstance(comprehension, ast.DictComp):
            comprehension.value = self._after(comprehension.value)
        else:
            comprehension.elt = self._after(comprehension.elt)
        for each in comprehension.generators:
            each.ifs[:1] = [self._after(condition) for condition in each.ifs[:1]]

    def _after(self, value: ast.expr) -> ast.expr:
        """A value with a point that comes when it is evaluated."""
        return self._call(value, WITHIN, value)

    def _look_into(self, function: Function | ast.Lambda) -> None:
        self._functions_around += 1
        self.generic_visit(function)
        self._functions_around -= 1

    def _change(self, function: Function) -> None:
        self._look_into(function)  # functions within it first: their statements are not its own
        shared = frozenset(_declared(function.body))
        documented = int(ast.get_docstring(function, clean=False) is not None)
        rest = self._block(function.body[documented:], shared)
        function.body = [*function.body[:documented], *rest]

    def _block(self, statements: list[ast.stmt], shared: frozenset[str]) -> list[ast.stmt]:
        changed: list[ast.stmt] = []
        for each in statements:
            if not isinstance(each, ast.Global | ast.Nonlocal):
                changed.append(self._before(each))
            changed.append(each)
            if isinstance(each, ast.Assign | ast.AugAssign | ast.AnnAssign):
                self._within(each, shared)
            elif not isinstance(each, Function | ast.ClassDef):
                self._inner(each, shared)
        return changed

    def _inner(self, statement: ast.stmt, shared: frozenset[str]) -> None:
        """The blocks of a compound statement."""
        holders: list[ast.AST] = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
        for holder in holders:
            for name in _BLOCKS:
                block = getattr(holder, name, None)
                if isinstance(block, list):
                    setattr(holder, name, self._block(block, shared))
        if isinstance(statement, ast.While) and not isinstance(statement.body[-1], _LEAVING):
            statement.body.append(self._before(statement))

    def _within(self, statement: ast.Assign | ast.AugAssign | ast.AnnAssign, shared: frozenset[str]) -> None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = statement.value
        if value is None or not any(_is_shared(each, shared) for each in targets):
            return
        if isinstance(statement, ast.AugAssign) or _looks(value, shared):
            statement.value = self._after(value)

    def _before(self, statement: ast.stmt) -> ast.stmt:
        start = _start(statement)
        return ast.copy_location(ast.Expr(self._call(start)), start)

    def _call(self, where: ast.expr, suffix: str = "", *values: ast.expr) -> ast.Call:
        place = f"{self._module}:{where.lineno}{suffix}"
        arguments = [ast.Constant(place), ast.Constant(self._per_mille)]
        call = ast.Call(ast.Name(POINT, ast.Load()), [*arguments, *values], [])
        for each in (call, call.func, *arguments):
            ast.copy_location(each, where)
        return call


def _start(statement: ast.stmt) -> ast.expr:
    """Something at the place where a statement begins, and of no length: what stands there is not all of it."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    first = decorators[0] if decorators else statement
    start = ast.Constant(None)
    start.lineno = start.end_lineno = first.lineno
    start.col_offset = start.end_col_offset = first.col_offset
    return start


def _declared(statements: list[ast.stmt]) -> Iterator[str]:
    """The names that a function declares to be of an outer scope: not those that functions within it declare."""
    for each in statements:
        if isinstance(each, ast.Global | ast.Nonlocal):
            yield from each.names
        elif not isinstance(each, Function | ast.ClassDef):
            for holder in (each, *getattr(each, "handlers", ()), *getattr(each, "cases", ())):
                for name in _BLOCKS:
                    block = getattr(holder, name, None)
                    if isinstance(block, list):
                        yield from _declared(block)


def _is_shared(target: ast.expr, shared: frozenset[str]) -> bool:
    """Whether other threads may see what is assigned to."""
    match target:
        case ast.Name(id=name):
            return name in shared
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(_is_shared(each, shared) for each in parts)
        case ast.Starred(value=part):
            return _is_shared(part, shared)
    return isinstance(target, ast.Attribute | ast.Subscript)


def _looks(value: ast.expr, shared: frozenset[str]) -> bool:
    return any(
        isinstance(each, _LOOKING) or (isinstance(each, ast.Name) and each.id in shared) for each in ast.walk(value)
    )
