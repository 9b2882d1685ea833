"""The tool with which a model asks the person.

It has no function, so a person answers its calls.
"""

from ..core.context import Arguments
from ..core.errors import ToolError
from ..core.tool import Tool


def check_question(arguments: Arguments) -> Arguments:
    """Checks that the arguments are one question that isn't empty.

    Raises ToolError for the model.
    """
    question = arguments.get("question")
    if arguments.keys() != {"question"} or not isinstance(question, str) or not question.strip():
        raise ToolError(
            'bad arguments: send one text, your question to the person, as {"question": "..."}'
        )
    return arguments


ask_user = Tool(
    name="ask_user",
    description=(
        "Ask the person one question and wait for the answer. Use it only for what you can't find"
        " out or decide yourself, such as a wish, a choice or a missing fact."
    ),
    parameters={
        "type": "object",
        "properties": {
            "question": {"type": "string", "description": "The question, complete in itself."}
        },
        "required": ["question"],
        "additionalProperties": False,
    },
    check=check_question,
    timeout_s=None,  # people take their time
)
