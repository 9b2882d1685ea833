"""Compares two wheels file by file, by `python .ci/same_wheel.py A.whl B.whl`: 1 if they differ."""

import sys
from zipfile import ZipFile

NEEDED = ("treadle/py.typed", "licenses/LICENSE", "entry_points.txt")


def contents(path: str) -> dict[str, bytes]:
    with ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def main() -> int:
    one, other = map(contents, sys.argv[1:])
    wrong = {name for name in one | other if one.get(name) != other.get(name)}
    wrong |= {end for end in NEEDED if not any(name.endswith(end) for name in one)}
    for name in sorted(wrong):
        print(f"not the same, or missing: {name}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
