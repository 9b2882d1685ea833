"""How many hands a message goes through from `Agent.run` to `decide`."""

import inspect
from pathlib import Path

import treadle
from fakes import live
from treadle import Agent, MemoryStore, ScriptedModel, tool
from treadle.models.scripted import calls, says

SOURCE = str(Path(treadle.__file__).parent)


def test_five_functions_stand_between_a_message_and_the_decision():
    """Whoever reads what `run` does reads five functions; each one more is one to ask for a reason."""
    seen: list[str] = []

    def needs_approval(_: object) -> bool:
        if not seen:
            stack = inspect.stack(context=0)
            names = [each.function for each in reversed(stack) if each.filename.startswith(SOURCE)]
            seen.extend(names[names.index("run") : names.index("decide") + 1])
        return False

    @tool(needs_approval=needs_approval)
    def look() -> str:
        """Look."""
        return "seen"

    model = ScriptedModel([calls("look"), says("ok")])
    result = live(Agent(model=model, tools=[look], store=MemoryStore()).run("go"))
    assert result.answer == "ok"
    assert seen == ["run", "say", "drive_turn", "run_loop", "decide"]
