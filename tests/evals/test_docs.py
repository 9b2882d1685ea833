"""What docs/evals.md says is so."""

import re
from pathlib import Path

from treadle import Agent, MemoryStore
from treadle.evals.baseline import MIN_CHANGE, MIN_SUCCESS_CHANGE, SIGNIFICANCE
from treadle.evals.checks import CHECK_TYPES, Judge
from treadle.evals.dataset_files import load_dataset
from treadle.evals.statistics import holm_correction, permutation_p_value
from treadle.models.scripted import ScriptedModel, calls, says

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "evals.md").read_text("utf8")


def test_every_check_is_in_the_table_with_its_fields():
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE, re.M))
    assert rows.keys() == CHECK_TYPES.keys()
    for name, fields in rows.items():
        told = re.findall(r"`(\w+)`", fields)
        assert told == (
            [] if name in ("no_errors", "custom") else list(CHECK_TYPES[name].__struct_fields__)
        ), name
    assert f"at least {Judge('x').at_least} of 5 points" in PAGE


def test_the_file_can_be_read(tmp_path):
    [written] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    path = tmp_path / "cases.yaml"
    path.write_text(written, "utf8")
    dataset = load_dataset(str(path))
    assert [case.name for case in dataset.cases] == ["lamps", "refund"]
    assert len(dataset.cases[1].messages) == 2


def test_the_program_runs(capsys):
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    model = ScriptedModel([calls(("stock", {"item": "lamp"})), says("There are 17.")] * 3)

    def one_at_a_time(*given, **settings):
        return Agent(*given, model=model, store=MemoryStore(), **settings)

    exec(
        program.replace("import Agent, ", "import ").replace("repeats=3", "repeats=3, jobs=1"),
        {"Agent": one_at_a_time},
    )
    assert "3 of 3 trials passed" in capsys.readouterr().out


def test_the_rule_of_what_counts_is_the_code_s():
    assert (SIGNIFICANCE, MIN_CHANGE, MIN_SUCCESS_CHANGE) == (0.05, 0.05, 0.01)
    seven, eight = (
        holm_correction([permutation_p_value([([1.0], [2.0])] * count), 1, 1, 1])[0]
        for count in (7, 8)
    )
    assert eight < SIGNIFICANCE <= seven  # "eight cases are the fewest"


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (DOCS / link).exists(), link
