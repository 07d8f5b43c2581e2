"""Runs twistd with or without its servers' properties: ``python -m benchmarks.bare with|without ARGUMENTS...``

The statements are taken out of the source as it is loaded, with all that they would have worked out for their
conditions and details: what is left is what the servers would be, had nobody stated anything. With them it is loaded in
the same way, so that they alone make the difference.
"""

import ast
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

import antithesis.assertions as sdk

PACKAGE = "glitchgrid"
STATEMENTS = frozenset(name for name in vars(sdk) if name.startswith(("always", "sometimes", "reach", "unreach")))


class _Stripper(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = 0

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        match node.value:
            case ast.Call(func=ast.Name(id=name)) if name in STATEMENTS:
                self.count += 1
                return ast.copy_location(ast.Pass(), node)
        return node


def stripped(source: bytes | str) -> tuple[ast.Module, int]:
    """A module without its properties, and how many it had."""
    stripper = _Stripper()
    tree = stripper.visit(ast.parse(source))
    return tree, stripper.count


class _Loader(SourceFileLoader):
    keeps = False

    def get_code(self, fullname: str) -> CodeType:
        """Never from a file of bytecode: that has the properties in it."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        tree = ast.parse(source) if self.keeps else stripped(source)[0]
        return compile(tree, path, "exec", dont_inherit=True)


class _KeepingLoader(_Loader):
    keeps = True


class _Finder(MetaPathFinder):
    def __init__(self, loader: type[_Loader]) -> None:
        self._loader = loader

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = self._loader(spec.loader.name, spec.loader.path)
        return spec


def main() -> None:
    which = sys.argv.pop(1)
    sys.meta_path.insert(0, _Finder({"with": _KeepingLoader, "without": _Loader}[which]))
    from twisted.scripts.twistd import run  # noqa: PLC0415 - what it imports must be found by the finder above

    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
