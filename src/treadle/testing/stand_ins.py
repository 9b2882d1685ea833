"""Models that stand for those of a recording: never called, without a key."""

from collections.abc import Sequence

from ..core import events as e
from ..core.model import Model
from ..core.model_settings import NO_SETTINGS
from ..models.scripted import ScriptedModel
from ..runtime.describe import settings_in_log


def make_stand_in(records: Sequence[e.Record], name: str = "") -> Model:
    """A model with this name, else the recorded one.

    It is never called, needs no key, and has room for any prompt.
    """
    called = [record.event for record in records if isinstance(record.event, e.ModelCalled)]
    most = max((call.max_output_tokens for call in called), default=4096)
    if not name:
        name = called[0].model if called else "recorded"
    described = [each.event for each in records if isinstance(each.event, e.AgentDescribed)]
    settings = NO_SETTINGS
    if described:
        settings = settings_in_log(described[0].settings)
    return ScriptedModel(
        [], name=name, context_tokens=10_000_000, max_output_tokens=most, settings=settings
    )


def make_stand_ins(models: Sequence[str | Model], records: Sequence[e.Record]) -> list[Model]:
    """The models, and a stand-in for each that is named."""
    made: list[Model] = []
    for model in models:
        if isinstance(model, str):
            model = make_stand_in(records, model)
        made.append(model)
    return made
