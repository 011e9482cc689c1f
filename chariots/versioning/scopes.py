"""Which names does a piece of source take from outside itself?"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ImportBinding", "Use", "bound_names", "chain", "imports_of", "own_nodes", "uses"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class ImportBinding:
    """What an import statement binds one name to.

    Attributes:
        module: the module as it is written, without leading dots.
        level: how many leading dots there are.
        attribute: the name taken from that module, or None for the module itself.
    """

    module: str
    level: int = 0
    attribute: str | None = None


@dataclass(frozen=True)
class Use:
    """One name that is read, with the attributes read from it: ``config`` and ``(LIMITS,)`` for ``config.LIMITS[0]``.

    Attributes:
        name: the name.
        path: the attributes, from the name outwards.
        enclosing: whether the name belongs to a function around the source that was asked about.
        imported: what the name stands for, where an import inside the source itself binds it.
    """

    name: str
    path: tuple[str, ...] = ()
    enclosing: bool = False
    imported: ImportBinding | None = None


def uses(pieces: Iterable[ast.AST], enclosing: frozenset[str] = frozenset()) -> list[Use]:
    """Lists the names that source reads and does not bind itself.

    Args:
        pieces: the source: statements or expressions that share one scope.
        enclosing: names bound by the functions around it.

    Returns:
        every such name once for each attribute path, in the order in which they are first read.
    """
    return list(_Walk(enclosing).run(pieces))


def chain(node: ast.AST) -> tuple[ast.Name, tuple[str, ...], list[ast.AST]] | None:
    """Splits ``a.b[i].c`` into ``a``, the attributes up to the first subscript, and the subscripts.

    Args:
        node: an expression.

    Returns:
        the three parts, or None where the expression does not start at a name.
    """
    path: list[str] = []
    subscripts: list[ast.AST] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            path.append(node.attr)
        elif isinstance(node, ast.Subscript):
            path.clear()
            subscripts.append(node.slice)
        else:
            return None
        node = node.value
    return node, tuple(reversed(path)), subscripts


def imports_of(statement: ast.AST) -> Iterator[tuple[str, ImportBinding]]:
    """What an import statement binds.

    Args:
        statement: any node.

    Yields:
        each name with what it stands for; the name is ``*`` for a star import.
    """
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or module, ImportBinding(module)
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            binding = ImportBinding(statement.module or "", statement.level, alias.name)
            yield alias.asname or alias.name, binding


def own_nodes(pieces: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node of a scope, without the bodies of functions, classes and comprehensions inside it.

    Args:
        pieces: statements or expressions of one scope.

    Yields:
        the nodes, functions, classes and comprehensions themselves included.
    """
    pending = list(pieces)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            # What := binds inside a comprehension belongs to the scope around it.
            pending += [inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            pending += _outside(node)
        else:
            pending += ast.iter_child_nodes(node)


def bound_names(pieces: Iterable[ast.AST]) -> set[str]:
    """The names that source binds in its own scope.

    Args:
        pieces: statements or expressions of one scope.

    Returns:
        the names.
    """
    return {name for node in own_nodes(pieces) for name in _binds(node)}


def _binds(node: ast.AST) -> set[str]:
    """The names that one node binds by itself."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {name for name, _ in imports_of(node)}
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return {node.name} if node.name else set()
    if isinstance(node, ast.MatchMapping):
        return {node.rest} if node.rest else set()
    return set()


def _outside(node: Any) -> list[ast.AST]:
    """The parts of a function, class or lambda that are evaluated in the scope around it."""
    parts: list[ast.AST | None] = [*getattr(node, "decorator_list", ())]
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *node.keywords]
    else:
        parts += [*node.args.defaults, *node.args.kw_defaults]
        parts += [*(argument.annotation for argument in _arguments(node)), getattr(node, "returns", None)]
    return [part for part in parts if part is not None]


def _arguments(node: Any) -> list[ast.arg]:
    given = node.args
    listed = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [argument for argument in listed if argument is not None]


@dataclass
class _Scope:
    """One scope while it is walked.

    Attributes:
        parent: the scope around it.
        in_order: whether names count from where they are bound (classes, modules) or throughout (functions);
            names of the former are not visible in scopes inside.
        bound: names that are its own.
        imports: those of them that an import binds.
        module_level: names declared ``global``.
    """

    parent: _Scope | None
    in_order: bool = False
    bound: set[str] = field(default_factory=set)
    imports: dict[str, ImportBinding] = field(default_factory=dict)
    module_level: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Bind:
    """On the stack: from here on a name is bound."""

    name: str


class _Walk:
    """Walks source in the order of its text and yields the names that come from outside."""

    def __init__(self, enclosing: frozenset[str]) -> None:
        self._enclosing = enclosing
        # An explicit stack: expressions may be nested deeper than Python's own recursion goes.
        self._pending: list[tuple[ast.AST | _Bind, _Scope]] = []

    def run(self, pieces: Iterable[ast.AST]) -> Iterator[Use]:
        """Yields every use once."""
        seen: set[Use] = set()
        self._push(pieces, _Scope(None, in_order=True))
        while self._pending:
            node, scope = self._pending.pop()
            if isinstance(node, _Bind):
                scope.bound.add(node.name)
                continue
            use = self._visit(node, scope)
            if use is not None and use not in seen:
                seen.add(use)
                yield use

    def _push(self, nodes: Iterable[ast.AST | _Bind | None], scope: _Scope) -> None:
        """Puts nodes on the stack, so that the first of them is the next to be visited."""
        self._pending += [(node, scope) for node in reversed([node for node in nodes if node is not None])]

    def _visit(self, node: ast.AST, scope: _Scope) -> Use | None:
        found = chain(node)
        if found is not None:
            name, path, subscripts = found
            self._push(subscripts, scope)
            return self._name(name, path, scope)
        if isinstance(node, _FUNCTIONS):
            self._function(node, scope)
        elif isinstance(node, ast.ClassDef):
            self._class(node, scope)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            self._assignment(node, scope)
        else:
            if scope.in_order:
                scope.bound |= _binds(node)
                scope.imports.update(imports_of(node))
            self._push(ast.iter_child_nodes(node), scope)
        return None

    def _name(self, node: ast.Name, path: tuple[str, ...], scope: _Scope) -> Use | None:
        """The use that a name is, unless the source binds it."""
        if scope.in_order and isinstance(node.ctx, ast.Store) and node.id not in scope.module_level:
            scope.bound.add(node.id)
            return None
        around: _Scope | None = scope
        while around is not None:
            if node.id in around.module_level:
                return Use(node.id, path)
            if node.id in around.bound and (around is scope or not around.in_order):
                binding = around.imports.get(node.id)
                return None if binding is None else Use(node.id, path, imported=binding)
            around = around.parent
        return Use(node.id, path, enclosing=node.id in self._enclosing)

    def _assignment(self, node: Any, scope: _Scope) -> None:
        """The value is read before the name is bound, and a name that is added to is read as well."""
        targets: list[ast.AST] = [*node.targets] if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            targets = [ast.Name(node.target.id, ast.Load()), node.target]
        elif isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name):
            targets = []
        self._push([getattr(node, "annotation", None), node.value, *targets], scope)

    def _function(self, node: Any, scope: _Scope) -> None:
        body: Sequence[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
        within = self._with_type_parameters(node, scope)
        self._push(body, _function_scope(within, node, body))
        if scope.in_order and not isinstance(node, ast.Lambda):
            self._push([_Bind(node.name)], scope)
        self._push(_outside(node), within)

    def _class(self, node: ast.ClassDef, scope: _Scope) -> None:
        within = self._with_type_parameters(node, scope)
        if scope.in_order:
            self._push([_Bind(node.name)], scope)
        declared = {name for inner in own_nodes(node.body) if isinstance(inner, ast.Global) for name in inner.names}
        self._push(node.body, _Scope(within, in_order=True, module_level=declared))
        self._push(_outside(node), within)

    def _comprehension(self, node: Any, scope: _Scope) -> None:
        first, *others = node.generators
        inner = _Scope(scope, bound=bound_names([generator.target for generator in node.generators]))
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        later = [part for generator in others for part in (generator.iter, *generator.ifs)]
        self._push([*first.ifs, *later, *results], inner)
        self._push([first.iter], scope)

    def _with_type_parameters(self, node: Any, scope: _Scope) -> _Scope:
        """The scope in which the type parameters of a definition (since Python 3.12) are known."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return scope
        inner = _Scope(scope, bound={parameter.name for parameter in parameters})
        self._push(parameters, inner)
        return inner


def _function_scope(parent: _Scope, node: Any, body: Sequence[ast.AST]) -> _Scope:
    """The scope of a function body: what it binds anywhere is its own throughout."""
    scope = _Scope(parent)
    outer: set[str] = set()
    for inner in own_nodes(body):
        scope.bound |= _binds(inner)
        if isinstance(inner, ast.Global):
            scope.module_level.update(inner.names)
        elif isinstance(inner, ast.Nonlocal):
            outer.update(inner.names)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            scope.imports.update(imports_of(inner))
    scope.bound -= outer | scope.module_level
    scope.bound |= {argument.arg for argument in _arguments(node)}
    return scope
