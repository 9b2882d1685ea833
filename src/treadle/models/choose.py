"""Makes the models of an agent: one, or several, of which the next goes on where one can't.

Of several, one whose key or package is missing is no error: it stands in its place, and says so
when it is asked (`UnusableModel`). The log then has why another one has gone on.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from ..core.errors import ModelDenied, UsageError
from ..core.events import Thinking, Usage
from ..core.model import Model, ModelChoice, Reply, Request
from ..core.model_settings import SETTING_NAMES
from .resolve import PROVIDERS, default_name, resolve_model, resolve_without_key

_NEXT_NAME = re.compile(r",\s*(?=[\w.+-]+:|local\s*(?:,|$)|gpt-|chatgpt-|o\d)")
"""A comma before another name; the path of a GGUF file may have commas too."""


@dataclass(frozen=True)
class UnusableModel:
    """Stands for a model that lacks its key or its package. It denies every request."""

    model: Model
    lacks: str
    """What is missing, as a sentence without its subject."""

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def context_tokens(self) -> int:
        return self.model.context_tokens

    @property
    def max_output_tokens(self) -> int:
        return self.model.max_output_tokens

    @property
    def carried_settings(self) -> frozenset[str]:
        carried: frozenset[str] = getattr(self.model, "carried_settings", SETTING_NAMES)
        return carried

    def cost_usd(self, usage: Usage) -> float:
        """Always 0: it sends nothing."""
        return 0.0

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        raise ModelDenied(f"{self.name} {self.lacks}; no request was sent")


def split_names(text: str) -> list[str]:
    """The names of models in a text, with commas between them."""
    return [name.strip() for name in _NEXT_NAME.split(text) if name.strip()]


def list_choice(choice: ModelChoice) -> list[str | Model]:
    """The models and names of a choice. Raises UsageError where there is none."""
    if choice is None:
        return list(split_names(default_name()))
    if isinstance(choice, Sequence) and not isinstance(choice, str):
        listed = list(choice)
        if not listed:
            raise UsageError("model=[] names no model; name at least one, or leave it out")
        return listed
    return [choice]


def make_models(
    choice: ModelChoice, resolve: Callable[[str], Model] = resolve_model
) -> tuple[Model, ...]:
    """The models, in the order in which they are asked.

    Raises UsageError for an unknown name, for two of one name, and where none can be used.
    """
    listed = list_choice(choice)
    if len(listed) == 1:
        return (_make(listed[0], resolve),)
    models = [_make_one_of_several(each, resolve) for each in listed]
    unusable = [model for model in models if isinstance(model, UnusableModel)]
    if len(unusable) == len(models):
        said = "; ".join(f"{each.name} {each.lacks}" for each in unusable)
        raise UsageError(f"none of these models can be used: {said}")
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"model= has {twice[0]} twice; each model must have a name of its own")
    return tuple(models)


def _make(model: str | Model, resolve: Callable[[str], Model]) -> Model:
    return resolve(model) if isinstance(model, str) else model


def _make_one_of_several(each: str | Model, resolve: Callable[[str], Model]) -> Model:
    if resolve is not resolve_model:
        return _make(each, resolve)
    lacks = ""
    model = each
    if isinstance(model, str):
        lacks = _find_lacking(model)
        model = resolve_without_key(model)
    lacks = lacks or getattr(model, "lacks", "")
    if lacks:
        return UnusableModel(model, lacks)
    return _make(each, resolve_model)


def _find_lacking(name: str) -> str:
    scheme = name.partition(":")[0]
    provider = PROVIDERS.get(scheme)
    if provider and provider.url:
        variables = (provider.key_variable, provider.url_variable)
        if not any(os.environ.get(each) for each in variables):
            return f"needs {provider.key_variable}, which isn't set"
    if scheme == "local" and find_spec("xllamacpp") is None:
        return "needs a package: pip install 'treadle[local]'"
    return ""
