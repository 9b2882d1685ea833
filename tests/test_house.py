"""The house rules that bind: which room may import which, sizes, purity, what `import treadle` may cost."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import treadle

SOURCE = Path(treadle.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

ROOMS = [
    "core",
    "models",
    "stores",
    "engines",
    "runtime",
    "tools",
    "flows",
    "notes",
    "patterns",
    "observe",
    "graphs",
    "evals",
    "testing",
    "mcp",
    "workers",
    "serve",
    "cli",
]
"""The folders of src/treadle, from the bottom up: each imports only from itself and from those before it."""

IMPURE = {
    "asyncio",
    "socket",
    "subprocess",
    "threading",
    "time",
    "random",
    "secrets",
    "os",
    "pathlib",
    "io",
    "sqlite3",
}
"""Modules that core must not import: it knows no event loop, file, network, clock or chance."""

CONDITIONALS_PER_1000_LINES = 15


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """Every module that this one imports, by its full name, also inside functions and for type checkers."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = ["treadle", *filter(None, package.split("."))]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, *filter(None, [node.module])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def at_import(path: Path) -> set[str]:
    """The modules of the house that this one imports when it is loaded."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree_of(path).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [*filter(None, package.split("."))]
            parts = parts[: len(parts) - node.level + 1]
            base = ".".join([*parts, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add(whole if whole in MODULES else base)
        waiting.extend(ast.iter_child_nodes(node))
    return found & MODULES.keys()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        n for n in ast.walk(tree_of(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def conditionals(tree: ast.AST) -> list[ast.IfExp]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.IfExp)]


def test_every_folder_is_a_known_room():
    folders = {
        path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_the_rooms_below_it(room):
    above = tuple(f"treadle.{other}" for other in ROOMS[ROOMS.index(room) + 1 :])
    for path in sorted((SOURCE / room).rglob("*.py")):
        wrong = {name for name in imported(path) if name == "treadle" or name.startswith(above)}
        assert not wrong, f"{name_of(path)} imports {sorted(wrong)}"


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("core.")))
def test_core_is_pure(name):
    impure = {module for module in imported(MODULES[name]) if module.split(".")[0] in IMPURE}
    assert not impure, f"{name} imports {sorted(impure)}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_and_functions_are_small(name):
    path = MODULES[name]
    lines = len(path.read_text("utf8").splitlines())
    assert lines <= 300, f"{name} has {lines} lines"
    for function in functions(path):
        arguments = function.args
        count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
        count -= bool(arguments.args) and arguments.args[0].arg in ("self", "cls")
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= 50, f"{name}.{function.name} has {length} lines"
        assert count <= 6, f"{name}.{function.name} has {count} parameters"


def test_no_conditional_expression_stands_in_another():
    for path in FILES:
        for outer in conditionals(tree_of(path)):
            inner = [
                each
                for child in (outer.test, outer.body, outer.orelse)
                for each in conditionals(child)
            ]
            assert not inner, f"{name_of(path)}, line {outer.lineno}"


@pytest.mark.parametrize("room", ROOMS)
def test_conditional_expressions_are_rare(room):
    paths = sorted((SOURCE / room).rglob("*.py"))
    count = sum(len(conditionals(tree_of(path))) for path in paths)
    lines = sum(len(path.read_text("utf8").splitlines()) for path in paths)
    assert count * 1000 <= CONDITIONALS_PER_1000_LINES * lines, f"{count} in {lines} lines"


def test_no_module_imports_itself_by_any_way():
    graph = {name: at_import(path) for name, path in MODULES.items()}
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a cycle: {' -> '.join((*way[way.index(name) :], name))}"
        if name not in done:
            for other in graph[name]:
                walk(other, (*way, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_importing_treadle_loads_nothing_heavy_and_touches_nothing():
    heavy = [
        "openai",
        "xllamacpp",
        "pydantic",
        "httpx",
        "httpx2",
        "aiohttp",
        "trafilatura",
        "ddgs",
        "starlette",
        "numpy",
    ]
    heavy += ["genai_prices", "opentelemetry", "click", "jinja2"]
    program = f"import treadle, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_an_agent_with_a_model_of_its_own_loads_no_provider():
    program = (
        "import sys; from treadle import Agent, ScriptedModel; from treadle.models.scripted import says;"
        "Agent(model=ScriptedModel([says('Hello.')])).run_sync('Hi');"
        "print([name for name in sys.modules if name.startswith('treadle.models.')"
        " and name.split('.')[2] in ('anthropic', 'responses', 'resolve')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_what_is_public_is_sorted_complete_and_there():
    assert treadle.__all__ == sorted(treadle.__all__)
    public = {
        name
        for name, value in vars(treadle).items()
        if not name.startswith("_") and not isinstance(value, type(ast))
    }
    assert public == set(treadle.__all__)


def test_the_project_speaks_of_itself_alone():
    for path in FILES:
        assert "/" + "work/" not in path.read_text("utf8")


def test_nothing_that_a_trial_left_lies_beside_the_project_s_files():
    names = [each.name for each in Path(__file__).parents[1].iterdir()]
    assert [name for name in names if re.search(r"[\s:~]", name)] == []
