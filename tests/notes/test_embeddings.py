import asyncio
import gzip
import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import Answer, Server, failing, http, serving, streamed
from treadle.core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    UsageError,
)
from treadle.notes.embedder import Embedder
from treadle.notes.embeddings import (
    MAX_ANSWER_BYTES,
    MAX_TEXTS,
    OpenAIEmbedder,
    parse_vectors,
    to_unit_vector,
)
from treadle.notes.hash_embedder import HashEmbedder


def numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def rows(*vectors: Sequence[float], start: int = 0) -> list[dict[str, Any]]:
    return [
        {"object": "embedding", "index": start + n, "embedding": list(v)}
        for n, v in enumerate(vectors)
    ]


def answer(data: Any) -> bytes:
    return json.dumps(
        {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 2}}
    ).encode()


def good(*vectors: Sequence[float]) -> bytes:
    return http(200, answer(rows(*vectors)))


def ask(texts: Sequence[str], *answers: Answer, **settings: Any) -> tuple[list[bytes], Server]:
    async def main() -> tuple[list[bytes], Server]:
        async with serving(*answers) as server:
            embedder: Embedder = OpenAIEmbedder(
                "m", **{"base_url": server.url, "api_key": "sk-very-secret"} | settings
            )
            return await embedder.embed(texts), server

    return asyncio.run(main())


def refused(*answers: Answer, **settings: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ask(["one", "two"], *answers, **settings)
    return caught.value


def test_vectors_come_at_length_one_as_little_endian_floats():
    found, server = ask(["one", "two"], good((3, 4), (0, -2)))
    assert [numbers(vector) for vector in found] == [
        (pytest.approx(0.6), pytest.approx(0.8)),
        (0, -1),
    ]
    (asked,) = server.asked
    assert asked.line == "POST /v1/embeddings HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer sk-very-secret"
    assert asked.body == {"model": "m", "input": ["one", "two"], "encoding_format": "float"}


def test_indexes_say_which_text_a_vector_is_of():
    data = rows((1, 0), (0, 1))[::-1]
    assert [numbers(vector) for vector in ask(["one", "two"], http(200, answer(data)))[0]] == [
        (1, 0),
        (0, 1),
    ]


def test_without_indexes_the_order_counts():
    data = [{"embedding": [1, 0]}, {"embedding": [0, 1]}]
    assert [numbers(vector) for vector in ask(["one", "two"], http(200, answer(data)))[0]] == [
        (1, 0),
        (0, 1),
    ]


def test_many_texts_go_in_batches_and_come_back_in_order():
    count = MAX_TEXTS + 2
    vectors = [(math.cos(n / 100), math.sin(n / 100)) for n in range(count)]
    found, server = ask(
        [f"text {n}" for n in range(count)], good(*vectors[:MAX_TEXTS]), good(*vectors[MAX_TEXTS:])
    )
    assert [len(asked.body["input"]) for asked in server.asked] == [MAX_TEXTS, 2]
    assert [numbers(vector)[1] for vector in found] == pytest.approx(
        [sine for _, sine in vectors], abs=1e-6
    )


def test_no_texts_ask_nobody():
    found, server = ask([])
    assert (found, server.asked) == ([], [])


def test_half_a_surrogate_pair_is_sent_as_a_question_mark():
    _, server = ask(["a\ud800b"], good((1, 0)))
    assert server.asked[0].body["input"] == ["a?b"]


def test_dimensions_are_asked_for_are_in_the_name_and_must_come():
    _, server = ask(["one"], good((1, 0)), dimensions=2, extra={"input_type": "query"})
    assert server.asked[0].body["dimensions"] == 2
    assert server.asked[0].body["input_type"] == "query"
    assert OpenAIEmbedder("m", base_url=server.url, dimensions=2).name == "openai:m@2"
    assert "3 were asked for" in str(refused(good((1, 0), (1, 0)), dimensions=3))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (answer(rows((1, 0))), "1 vectors came for 2 texts"),
        (answer(rows((1, 0), (0, 1), (1, 1))), "3 vectors came for 2 texts"),
        (answer([]), "0 vectors came for 2 texts"),
        (answer(rows((1, 0), (0, 1), start=1)), "indexes are not 0 to 1"),
        (answer(rows((1, 0)) * 2), "indexes are not 0 to 1"),
        (
            answer([{"embedding": [1, 0], "index": -1}, {"embedding": [1, 0], "index": 0}]),
            "indexes are not 0 to 1",
        ),
        (answer(rows((1, 0), (1, 0, 0))), "vectors of [2, 3] dimensions"),
        (answer(rows((1, 0), ())), "no direction"),
        (answer(rows((1, 0), (0, 0))), "no direction"),
        (answer(rows((1, 0), (math.nan, 1))), "no embeddings came"),
        (answer(rows((1, 0), (math.inf, 1))), "no embeddings came"),
        (answer(rows((1, 0), (1, 0))).replace(b"1, 0", b"1e999, 0"), "no embeddings came"),
        (answer([{"embedding": "AACAPw==", "index": 0}] * 2), "no embeddings came"),
        (answer([{"embedding": [True, None], "index": 0}] * 2), "no embeddings came"),
        (b'{"object": "list"}', "no embeddings came"),
        (b"null", "no embeddings came"),
        (b"[" * 3000, "no embeddings came"),
        (b"\xff\xfe", "no embeddings came"),
        (b"<html>Sign in to the hotel's network</html>", 'starts with "<html>Sign in'),
    ],
)
def test_an_answer_that_is_not_one_good_vector_a_text_is_rejected(body, words):
    found = refused(http(200, body))
    assert type(found) is ModelRejected
    assert words in str(found)


def test_batches_must_agree_on_dimensions():
    count = MAX_TEXTS + 1
    with pytest.raises(ModelRejected, match=r"vectors of \[2, 3\] dimensions"):
        ask(["x"] * count, good(*[(1, 0)] * MAX_TEXTS), good((1, 0, 0)))


ERROR = {"error": {"message": "it was said about sk-very-secret", "type": "t", "code": None}}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, ERROR, ModelDenied),
        (404, ERROR, ModelRejected),
        (429, ERROR, ModelUnavailable),
        (429, {"error": {"message": "no", "code": "insufficient_quota"}}, ModelDenied),
        (503, b"<html>sk-very-secret", ModelUnavailable),
        (400, {"error": {"message": "maximum context length is 8192 tokens"}}, ContextOverflow),
        (307, b"sk-very-secret", ModelRejected),
        (200, ERROR, ModelUnavailable),
        (200, b"<p>sk-very-secret", ModelRejected),
    ],
)
def test_errors_have_the_class_of_who_must_act_and_never_the_key(status, body, error):
    found = refused(
        failing(status, body, {"location": "http://a.test/?k=sk-very-secret", "retry-after": "7"})
    )
    assert type(found) is error
    assert "sk-very-secret" not in str(found)
    if status == 429 and isinstance(found, ModelUnavailable):
        assert found.retry_after_s == 7


def test_the_key_is_in_no_representation():
    assert "sk-very-secret" not in repr(
        OpenAIEmbedder("m", base_url="http://127.0.0.1:1/v1", api_key="sk-very-secret")
    )


def test_an_answer_that_breaks_off_is_unavailable():
    assert type(refused(streamed([answer(rows((1, 0)))[:20]], end=False))) is ModelUnavailable
    assert type(refused(http(200, b""))) is ModelUnavailable


def test_a_server_that_trickles_is_given_up_at_the_deadline():
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.002)

    found = refused(trickle, timeout_s=0.05)
    assert type(found) is ModelUnavailable
    assert "in 0.05 s" in str(found)


def test_a_body_that_swells_is_given_up():
    bomb = gzip.compress(b" " * (MAX_ANSWER_BYTES + 2**20), 1)
    assert "larger than" in str(refused(http(200, bomb, {"content-encoding": "gzip"})))


@pytest.mark.treadle_real_models
def test_a_missing_key_is_the_caller_s_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        asyncio.run(OpenAIEmbedder("m").embed(["x"]))


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=20)
)
def test_a_unit_vector_has_length_one_and_the_same_direction(vector):
    if not any(vector):
        with pytest.raises(ModelRejected):
            to_unit_vector(vector)
        return
    found = numbers(to_unit_vector(vector))
    assert math.hypot(*found) == pytest.approx(1, abs=1e-5)
    largest = max(range(len(vector)), key=lambda n: abs(vector[n]))
    assert found[largest] * vector[largest] > 0


@given(st.permutations(range(5)))
def test_whatever_the_order_of_the_answer_each_text_gets_its_own(order):
    data = [{"index": n, "embedding": [math.cos(n), math.sin(n)]} for n in order]
    found = [numbers(vector) for vector in parse_vectors(answer(data), 5)]
    assert found == [pytest.approx((math.cos(n), math.sin(n)), abs=1e-6) for n in range(5)]


@given(st.binary(max_size=60))
def test_any_bytes_are_vectors_or_a_model_error(data):
    with pytest.raises(ModelError):
        parse_vectors(data, 1)


def hashed(*texts: str, **settings: Any) -> list[tuple[float, ...]]:
    embedder: Embedder = HashEmbedder(**settings)
    return [numbers(vector) for vector in asyncio.run(embedder.embed(texts))]


def test_the_fake_knows_the_same_words_and_synonyms_in_any_order():
    one, two, three = hashed("Red car!", "the CAR red", "a boat")
    same = hashed("red vehicle", "vehicle red", synonyms={"vehicle": "car"})
    assert sum(map(float.__mul__, one, two)) > 0.8
    assert same == [one, one]
    assert sum(map(float.__mul__, one, three)) == 0


def test_the_fake_has_a_vector_for_every_text():
    for text in ("", "  ", "…", "\ud800", "x" * 10_000):
        assert sum(n * n for n in hashed(text)[0]) == pytest.approx(1, abs=1e-5)
