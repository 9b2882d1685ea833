"""When an answer is taken to be over, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from fakes import live
from server import delta, stream
from treadle.models.chat.dialect import CHAT
from treadle.models.receive import AFTER_DONE_S, AFTER_WHOLE_S, receive
from treadle.models.reply_reader import ReplyReader


class Endless:
    """A server that sends these pieces, and then shows that it lives, for ever."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        return self._send()

    async def _send(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece
        while True:
            await asyncio.sleep(15)
            yield b": still here\n\n"


WHOLE = stream(delta("stop", content="hi"), done=False)


@pytest.mark.parametrize(
    ("pieces", "wait_s"),
    [
        ([WHOLE], AFTER_WHOLE_S),
        ([WHOLE, b": still here\n\n"], AFTER_WHOLE_S),
        ([WHOLE, b"data: [DONE]\n\n"], AFTER_DONE_S),
        ([WHOLE + b"data: [DONE]\n\n", b": still here\n\n"], AFTER_DONE_S),
    ],
)
def test_a_whole_reply_is_given_though_its_server_does_not_end(pieces, wait_s):
    async def main() -> tuple[str, float]:
        reader = ReplyReader(CHAT)
        began = asyncio.get_running_loop().time()
        await receive(Endless(*pieces), b"", reader, lambda piece: None)
        return reader.finish(1).text, asyncio.get_running_loop().time() - began

    assert live(main()) == ("hi", pytest.approx(wait_s))
