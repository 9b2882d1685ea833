"""What a flow's code gets of an agent or a flow that it has run: an answer, or an error."""

from collections.abc import Callable

from ..core.errors import ModelError, NotAnswered, StepFailed, TurnFailed
from ..core.result import Result
from ..core.type_variables import Output


def require_answer(name: str, step_id: str, read: Callable[[], Result[Output]]) -> Result[Output]:
    """The result that is read. Raises NotAnswered, which holds it, if it is anything but answered.

    Whatever `read` raises of the turn gets the step's id.
    """
    try:
        result = read()
    except (ModelError, TurnFailed) as error:
        error.step = step_id
        raise
    except ValueError as error:  # a person has told it, or the type has changed since
        why = f"{name} has a result that won't do: {error}"
        raise StepFailed(why, step=step_id) from None
    if result.status != "answered":
        raise NotAnswered(name, result, step=step_id)
    return result
