"""The page about dialects: its program runs, its links lead somewhere, its names are the code's.

Its table says what the code's table says.
"""

import re
from pathlib import Path

import pytest

from treadle import Usage
from treadle.models.accepted_fields import AcceptedFields, find_accepted_fields
from treadle.models.remote_model import RemoteModel
from treadle.models.resolve import DEFAULT_CLAUDE, DEFAULT_MODEL, PROVIDERS, resolve_without_key

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "models.md").read_text("utf8")
HOSTS = {
    "OpenAI, Azure": ("api.openai.com", "mine.openai.azure.com"),
    "Anthropic": ("api.anthropic.com",),
    "DeepSeek": ("api.deepseek.com",),
    "Groq": ("api.groq.com",),
    "Mistral": ("api.mistral.ai",),
    "Moonshot": ("api.moonshot.ai",),
    "Google": ("generativelanguage.googleapis.com",),
}
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.M)


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


def test_the_default_models_and_their_prices_are_the_code_s():
    rows = re.findall(r"^\| `\w+_API_KEY`.* \| `([^`]+)` \| ([\d.]+), ([\d.]+) \|$", PAGE, re.M)
    assert [name for name, _, _ in rows] == [DEFAULT_MODEL, DEFAULT_CLAUDE]
    for name, read, written in rows:
        model = RemoteModel(name.removeprefix("openai:"), api_key="k")
        if name == DEFAULT_CLAUDE:
            model = resolve_without_key(name)
        assert model.cost_usd(Usage(1000, 0)) == pytest.approx(float(read) / 1000)
        assert model.cost_usd(Usage(0, 1000)) == pytest.approx(float(written) / 1000)


def words_of(accepted: AcceptedFields) -> set[str]:
    """The table's words for what differs from what chat completions has."""
    said: set[str] = set()
    if accepted.output_limit != "max_tokens":
        said.add(f"the output limit is `{accepted.output_limit}`")
    if accepted.output_cap:
        said.add(f"replies of at most {accepted.output_cap:,} tokens")
    if accepted.with_tools == {"reasoning_effort": "none"}:
        said.add("tools only with `reasoning_effort: none`")
    said |= {f"no `{name}`" for name in accepted.left_out}
    if accepted.json_schema == "without tools":
        said.add("a JSON Schema only without tools")
    if accepted.json_schema == "never":
        said |= {"no JSON Schema", "no JSON Schema while it streams"}
    if accepted.system_role == "user":
        said.add("no system prompt")
    said |= {f"`{name}` in each earlier reply" for name in accepted.reply_fields}
    if accepted.takes_empty:
        said.add("an empty message is sent empty")
    return said


TOLD = [row for row in ROWS if row[0] in HOSTS]


@pytest.mark.parametrize("row", TOLD, ids=lambda row: f"{row[0]}: {row[1]}")
def test_what_the_page_says_of_a_model_is_in_the_code_s_table(row):
    provider, models, known = row
    names = re.findall(r"`([^`]+)`", models) or ["any-model"]
    facts = set(re.split(r"[;,] (?=no |the |an |a |replies|`)", known))
    for host in HOSTS[provider]:
        for name in names:
            assert facts <= words_of(find_accepted_fields(host, name)), (host, name)


@pytest.mark.parametrize("provider", HOSTS)
def test_the_page_leaves_nothing_of_the_code_s_table_out(provider):
    told = [row for row in TOLD if row[0] == provider]
    names = [name for row in told for name in re.findall(r"`([^`]+)`", row[1])] or ["any-model"]
    facts = " ".join(row[2] for row in told)
    for name in names:
        words = words_of(find_accepted_fields(HOSTS[provider][0], name))
        assert all(each in facts for each in words - {"no JSON Schema while it streams"})


def test_every_provider_of_the_page_is_tried():
    assert {row[0] for row in TOLD} == set(HOSTS)
