"""Our own embedders keep what every embedder promises."""

import json
from contextlib import AsyncExitStack

import pytest

from server import http, serving
from treadle.notes.embeddings import OpenAIEmbedder
from treadle.notes.hash_embedder import HashEmbedder
from treadle.notes.local_embedder import LocalEmbedder, find_local_embedder
from treadle.testing.embedder_contract import EmbedderContract, numbers


class TestHashEmbedder(EmbedderContract):
    def make(self):
        return HashEmbedder()


class Vectors(list):
    """The answers of a server that embeds whatever it was sent last."""

    def __init__(self, server):
        super().__init__([b""])
        self.server = server

    def pop(self, index):
        texts = self.server.asked[-1].body["input"]
        vectors = [HashEmbedder()._to_vector(text) for text in texts]
        data = [
            {"object": "embedding", "index": number, "embedding": numbers(vector)}
            for number, vector in enumerate(vectors)
        ]
        said = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 2}}
        return http(200, json.dumps(said).encode())


class TestOpenAIEmbedder(EmbedderContract):
    async def make(self):
        self.open = AsyncExitStack()
        server = await self.open.enter_async_context(serving())
        server.answers = Vectors(server)
        return OpenAIEmbedder("m", base_url=server.url, api_key="sk-very-secret")

    async def close(self, made):
        await self.open.aclose()


@pytest.mark.real
@pytest.mark.skipif(find_local_embedder() is None, reason="the extra isn't installed")
class TestLocalEmbedder(EmbedderContract):
    def make(self):
        return LocalEmbedder()
