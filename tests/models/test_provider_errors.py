import json

import pytest

from treadle.models.provider_errors import MAX_BODY_CHARS, http_error

KEY = "q7Zk" * 12


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("most", [500, 2000, MAX_BODY_CHARS])
def test_a_secret_at_the_cut_of_an_error_is_not_half_shown(
    most: int, is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is redacted once more later, by a key that nobody would know half of."""
    monkeypatch.setenv("SHOP_API_KEY", KEY)
    for before in range(most - len(KEY) - 20, most):
        text = "." * before + KEY
        body = json.dumps({"error": {"message": text}}) if is_json else text
        error = http_error(400, {}, body.encode())
        assert KEY[:8] not in str(error) + error.body
