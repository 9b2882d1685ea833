"""`treadle models check` says what a model takes, and what that costs, before it is paid for."""

import json

from cli.commandline import Treadle
from cli.test_model_settings import served
from models.test_model_check import GOOD
from server import failing, says

REFUSED = failing(400, {"error": {"message": "no image\x1b[2J here"}})
PRICES = 'prices={"input": 0.2, "output": 0.8}'


def test_a_line_for_each_request(treadle: Treadle) -> None:
    with served(GOOD["text"], GOOD["tool"], REFUSED, says("green, four")) as server:
        ran = treadle("models", "check", "-m", f"{server.url}#m", "-o", "temperature=0")
    assert ran.code == 0
    name, text, tool, picture, schema = ran.out.splitlines()
    assert name == f"{server.url}#m"
    assert text.split()[:2] == ["text", "taken"]
    assert "10 tokens in, 5 out" in text
    assert "first token after" in text
    assert tool.split()[:2] == ["tool", "taken"]
    assert picture.split()[:2] == ["picture", "refused"]
    assert "no image\\x1b[2J here" in picture
    assert schema.split()[:2] == ["schema", "ignored"]
    assert "no price is known for it" in ran.err
    assert "what it cost isn't known" in ran.err
    assert [asked.body["temperature"] for asked in server.asked] == [0] * 4


def test_several_models_as_json_and_one_that_is_down(treadle: Treadle) -> None:
    down = failing(401, {"error": {"message": "who are you?"}})
    with served(*GOOD.values(), down) as server:
        models = ("-m", f"{server.url}#one", "-m", f"{server.url}#two")
        ran = treadle("models", "check", *models, "--json", "-o", PRICES)
    assert ran.code == 1
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [each["outcome"] for each in found] == [
        *["taken"] * 4,
        *("denied", "not asked", "not asked", "not asked"),
    ]
    assert found[0]["usage"] == {"input_tokens": 10, "output_tokens": 5}
    assert found[0]["cost_usd"] > 0


def test_a_person_is_asked_before_it_costs(treadle: Treadle) -> None:
    with served(*GOOD.values(), *GOOD.values()) as server:
        words = ("models", "check", "-m", f"{server.url}#m", "-o", PRICES)
        refused = treadle(*words, typed="n\n")
        assert (refused.code, refused.out) == (1, "")
        assert "at most $0.00" in refused.err
        assert "nothing was asked" in refused.err
        assert server.asked == []
        assert treadle(*words, typed="").code == 1
        assert treadle(*words, typed="y\n").code == 0
        assert "Ask?" not in treadle(*words, "--yes", typed="").err


def test_what_is_no_model_is_a_usage_error(treadle: Treadle) -> None:
    ran = treadle("models", "check", "-m", "nonsense:")
    assert ran.code == 2
    assert "model 'nonsense:'" in ran.err
