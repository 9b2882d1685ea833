"""Our own models keep what every model promises: scripted, and over HTTP in each dialect."""

import json
from contextlib import AsyncExitStack

from conformance.conversation import Calls, Fails, Says, reply
from conformance.suite import DIALECTS, make_model
from treadle.core.errors import ModelDenied, ModelError, ModelUnavailable
from treadle.models.scripted import ScriptedModel, says
from treadle.testing.model_contract import ModelContract

STATUSES = {ModelUnavailable: 503, ModelDenied: 401}


class TestScriptedModel(ModelContract):
    def make(self, *answers):
        return ScriptedModel(answers)


def as_spoken(answer):
    """The answer in the words of the conversations, which each dialect's server can write."""
    if isinstance(answer, ModelError):
        return Fails(STATUSES.get(type(answer), 400), str(answer))
    blocks = [Says(answer.text)] if answer.text else []
    blocks += [Calls(call.name, json.loads(call.arguments)) for call in answer.calls]
    return reply(*blocks)


class OverHttp(ModelContract):
    dialect = "chat"

    async def make(self, *answers):
        self.open = AsyncExitStack()
        replies = [as_spoken(answer) for answer in answers or (says("hi"),)]
        server = await self.open.enter_async_context(DIALECTS[self.dialect].module.serve(replies))
        return make_model(self.dialect, server)

    async def close(self, made):
        await self.open.aclose()


class TestChat(OverHttp):
    pass


class TestResponses(OverHttp):
    dialect = "responses"


class TestMessages(OverHttp):
    dialect = "messages"
