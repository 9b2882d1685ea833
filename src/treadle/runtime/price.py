"""What a model call costs, as the model says: its prices may be other people's code."""

import math
from typing import Any

from ..core.errors import UsageError
from ..core.events import Usage
from ..core.model import Model
from ..core.raised import call_guarded


def price_of(model: Model, usage: Usage) -> float | None:
    """US dollars for so many tokens; None where no price is known.

    Raises UsageError for what is no price: NaN passes every limit, and a negative one fills it up.
    """
    cost_usd: Any = call_guarded(f"the price of {model.name}", model.cost_usd, usage)
    if cost_usd is None or (type(cost_usd) is float and 0.0 <= cost_usd < math.inf):
        return cost_usd
    is_number = isinstance(cost_usd, (int, float)) and not isinstance(cost_usd, bool)
    if not is_number or not math.isfinite(cost_usd) or cost_usd < 0:
        raise UsageError(
            f"the price of {model.name} for {usage.input_tokens} + {usage.output_tokens} tokens is"
            f" {cost_usd!r}; it must be US dollars, 0 or more, or None where no price is known"
        )
    return float(cost_usd)
