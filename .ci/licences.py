"""Refuses an installed package whose licence asks more of users than to keep its notice.

Run in the environment to check: `python .ci/licences.py`. Exits with 1, and names them.
"""

import re
import sys
from importlib.metadata import Distribution, distributions

FREE = re.compile(r"MIT|BSD|Apache|PSF|Python Software|ISC|Zlib|Unlicense|0BSD|CC0", re.I)


def licence(package: Distribution) -> str:
    """What the package says of its licence, in its own words."""
    about = package.metadata
    said = [about.get("License-Expression") or "", (about.get("License") or "").partition("\n")[0]]
    said += [each for each in about.get_all("Classifier") or [] if each.startswith("License")]
    return "; ".join(filter(None, said))


def main() -> int:
    found = {package.metadata["Name"]: licence(package) for package in distributions()}
    wrong = {name: said for name, said in found.items() if not FREE.search(said)}
    for name, said in sorted(wrong.items()):
        print(f"{name}: {said or 'says nothing'}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
