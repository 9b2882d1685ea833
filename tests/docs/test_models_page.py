"""The page about dialects: its program runs, its links lead somewhere, its names are the code's."""

import re
from pathlib import Path

from treadle.models.remote_model import RemoteModel
from treadle.models.resolve import PROVIDERS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "models.md").read_text()


def test_the_page_s_programs_make_models():
    names: dict[str, object] = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(program, names)
    gateway = names["gateway"]
    assert isinstance(gateway, RemoteModel)
    assert gateway.dialect.name == "responses"


def test_the_page_names_each_way_to_choose_a_dialect():
    chosen = [name for name, provider in PROVIDERS.items() if provider.dialect]
    assert [name for name in chosen if f"`{name}:…`" not in PAGE] == []


def test_the_page_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (DOCS / link).exists(), link
