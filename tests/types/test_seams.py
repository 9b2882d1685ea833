"""What stands between two parts has real types: no `Any` in the methods of a Protocol."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import treadle

SOURCE = Path(treadle.__file__).parent
ALLOWED = {
    (
        "Resumable",
        "resume",
    ): "a coroutine has three types, and nobody sends or throws into this one",
    ("Tables", "execute"): "what a row of a database holds is known to its statement alone",
}
"""By class and member, why it has one all the same."""


def find_seams() -> Iterator[tuple[str, str, str]]:
    """Class, member and signature of all that a Protocol has."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        if "Protocol" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ClassDef):
                continue
            if not any("Protocol" in ast.unparse(base) for base in node.bases):
                continue
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    shown = f"{ast.unparse(member.args)} -> {ast.unparse(member.returns or member.args)}"
                    yield node.name, member.name, shown
                elif isinstance(member, ast.AnnAssign):
                    yield node.name, ast.unparse(member.target), ast.unparse(member.annotation)


def test_no_member_of_a_protocol_has_any():
    seams = [*find_seams()]
    assert len(seams) > 60
    found = {(name, member) for name, member, shown in seams if re.search(r"\bAny\b", shown)}
    assert found == set(ALLOWED)
