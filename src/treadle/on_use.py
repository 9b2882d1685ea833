"""Lets a package offer names whose modules are imported when they are first used.

So `import treadle` stays cheap, and the names are there all the same.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def import_on_use(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package. `modules` gives, by module (`.store`), the names that come
    from it, with blanks between them.

    No name may be that of a module beside it: once that is imported, it would be found instead.
    """
    places = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name], package), name)

    return get
