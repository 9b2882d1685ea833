"""How a model counts tokens, as its replies and refusals show. Pure."""

import msgspec
from msgspec.structs import replace

from . import events as e


class TokenCalibration(msgspec.Struct, frozen=True, gc=False):
    """How the model that was called last counts tokens, as its replies show."""

    model: str = ""
    ratio: float = 1.0
    """Its count of a prompt's tokens, divided by our estimate; at least 1."""
    refused_tokens: int = 0
    """The smallest prompt that it has refused as too large, by our estimate; 0: none yet."""

    def of(self, model: str) -> "TokenCalibration":
        """What is known of that model: nothing, if another was called last."""
        if self.model == model:
            return self
        return TokenCalibration(model)


def calibrate(
    calibration: TokenCalibration, called: e.ModelCalled, event: e.Event
) -> TokenCalibration:
    """What the event that ends a model call shows of the model's tokens."""
    before = calibration.of(called.model)
    if isinstance(event, e.ModelReplied) and _counts_the_prompt_alone(event):
        counted = event.usage.input_tokens / max(1, called.prompt_tokens)
        return replace(before, ratio=min(8.0, max(1.0, before.ratio * counted)))
    if isinstance(event, e.ModelFailed) and event.kind == "overflow":
        refused = before.refused_tokens or called.prompt_tokens
        return replace(before, refused_tokens=min(refused, called.prompt_tokens))
    return before


def _counts_the_prompt_alone(reply: e.ModelReplied) -> bool:
    """Whether its input is what was sent: what a tool of the provider's finds is read, too."""
    if reply.usage.estimated or reply.usage.provider_calls:
        return False
    blocks = () if isinstance(reply.content, str) else reply.content
    return not any(isinstance(block, e.ProviderCall) for block in blocks)
