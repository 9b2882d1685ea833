"""Write the files of a chapter into the current folder, instead of copying them one by one.

In an empty folder: `python PATH/TO/docs/tutorial/extract.py 8`.
"""

import re
import sys
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
FILE = re.compile(r"# ([\w/.-]+\.\w+)\n")


def files_of(page: Path) -> dict[str, str]:
    """The text of each file that a page shows, by its name; not what is quoted of Treadle."""
    found = {}
    for language, text in FENCE.findall(page.read_text("utf8")):
        named = FILE.match(text)
        if language == "python" and named and not named[1].startswith("src/"):
            found[named[1]] = text
    return found


if __name__ == "__main__":
    number = f"{int(sys.argv[1]):02}" if sys.argv[1].isdigit() else sys.argv[1]
    [page] = Path(__file__).parent.glob(f"{number}*.md")
    for name, text in files_of(page).items():
        with open(name, "x", encoding="utf8") as file:  # nothing of yours is overwritten
            file.write(text)
        print(name)
