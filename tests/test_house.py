"""The house rules that bind: sizes, who may import whom, what `import treadle` may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import treadle

SOURCE = Path(treadle.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}

ORDER = [
    "errors",
    "strict_json",
    "values",
    "events",
    "codec",
    "models.tokens",
    "models.model",
    "limits",
    "tools.context",
    "tools.tool",
    "call",
    "turn",
    "approvals",
    "state",
    "decide",
    "memory.prompt",
    "memory.transcript",
    "memory.window",
    "world",
    "listeners",
    "stores.store",
    "log",
    "result",
    "ending",
    "tools.running",
    "models.asking",
    "job",
    "loop",
    "answers",
    "sync",
    "stores.memory",
    "stores.connection",
    "stores.commits",
    "stores.sqlite",
    "fork",
    "replay",
    "team",
    "posts",
    "flows.branch",
    "flows.recorded",
    "driving",
    "agent",
]
"""The core, in reading order: each module imports only from those before it."""


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """The modules of the house that this one imports when it is loaded, not within functions or for type checkers."""
    found: set[str] = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    waiting: list[ast.AST] = list(TREES[path].body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith("treadle")
        ):
            base = (
                package.split(".")[: len(package.split(".")) - node.level + 1]
                if package and node.level
                else []
            )
            inner = (
                (node.module or "").removeprefix("treadle").lstrip(".")
                if not node.level
                else node.module or ""
            )
            module = ".".join([*base, *filter(None, [inner])])
            for alias in node.names:
                whole = f"{module}.{alias.name}".lstrip(".")
                found.add(whole if whole in MODULES else module)
        waiting.extend(ast.iter_child_nodes(node))
    return found & MODULES.keys()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        n for n in ast.walk(TREES[path]) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_and_functions_are_small(name):
    path = MODULES[name]
    lines = len(path.read_text().splitlines())
    assert lines <= (150 if name == "loop" else 250), f"{name} has {lines} lines"
    for function in functions(path):
        arguments = function.args
        count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
        count -= bool(arguments.args) and arguments.args[0].arg in ("self", "cls")
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= 50, f"{name}.{function.name} has {length} lines"
        assert count <= 6, f"{name}.{function.name} has {count} parameters"


@pytest.mark.parametrize("name", ORDER)
def test_the_core_imports_only_what_comes_before_it(name):
    before = set(ORDER[: ORDER.index(name)]) | {""}
    assert imports(MODULES[name]) <= before, (
        f"{name} imports {sorted(imports(MODULES[name]) - before)}"
    )


def test_every_module_at_the_top_is_in_the_reading_order_or_stands_on_the_core():
    for name in (
        name
        for name in MODULES
        if "." not in name and name not in ORDER and name not in ("", "__main__")
    ):
        users = {other for other in ORDER if name in imports(MODULES[other])}
        assert not users, (
            f"{name} is used by the core ({sorted(users)}) but not in the reading order"
        )


def test_no_module_imports_itself_by_any_way():
    graph = {name: imports(path) for name, path in MODULES.items()}
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
        "trafilatura",
        "ddgs",
        "starlette",
        "numpy",
    ]
    heavy += ["genai_prices", "opentelemetry"]
    program = f"import treadle, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.strip() == "[]"


def test_processes_are_started_in_one_place():
    starts = {
        "subprocess.run",
        "subprocess.Popen",
        "subprocess.call",
        "subprocess.check_output",
        "os.system",
    }
    starts |= {
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
        "os.fork",
        "os.execv",
    }
    for name in MODULES.keys() - {"interpreter"}:
        nodes = list(ast.walk(TREES[MODULES[name]]))
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        imported = {alias.name for node in imports for alias in node.names}
        assert called.isdisjoint(starts), f"{name} starts a process: interpreter.py does that"
        assert imported.isdisjoint({"multiprocessing", "Popen", "ProcessPoolExecutor"}), (
            f"{name} starts a process"
        )


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
        assert "/" + "work/" not in path.read_text()
