"""Maps our events to OpenTelemetry's attribute names. Pure; imports no OpenTelemetry.

The names are those of the GenAI semantic conventions, release 0.1.0
(https://github.com/open-telemetry/semantic-conventions-genai, read 2026-11-25). Where they have no
name, ours begins with `treadle.`. `session.id` is OpenTelemetry's general name for a session; some
servers group traces by it alone, so every span has the thread's name there too. A test compares
every name with the conventions.
"""

from urllib.parse import urlsplit

from ..core import events as e
from ..core.late import LateOutcome
from ..core.limits import RAISED
from ..core.state import State

Value = str | int | float | bool | tuple[str, ...]
Attributes = dict[str, Value]

TeamEvent = e.StepAsked | e.ChildStarted | e.ChildWaits | e.CallNoted | e.HandedOff
HumanEvent = e.ApprovalAsked | e.ApprovalGiven | e.QuestionAsked | e.OutcomeDecided | e.UserSaid

RELEASE = "0.1.0"

INVOKE_AGENT, INVOKE_WORKFLOW, CHAT, EXECUTE_TOOL = (
    "invoke_agent",
    "invoke_workflow",
    "chat",
    "execute_tool",
)
"""Operations: a turn of an agent or a flow, a model request, a tool call. Flow steps have none."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
COMPACTED = "gen_ai.conversation.compacted"
REQUEST_MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
STREAM = "gen_ai.request.stream"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
AUDIO_INPUT_TOKENS = "gen_ai.usage.audio.input_tokens"
AUDIO_OUTPUT_TOKENS = "gen_ai.usage.audio.output_tokens"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
CALL_ID = "gen_ai.tool.call.id"
CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
CALL_RESULT = "gen_ai.tool.call.result"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR = "error.type"
SESSION = "session.id"
ADDRESS, PORT = "server.address", "server.port"

COST = "treadle.cost_usd"
ESTIMATED = "treadle.usage.estimated"
CACHE_WRITE_1H_TOKENS = "treadle.usage.cache_write_1h.input_tokens"
PROVIDER_CALLS = "treadle.usage.provider_calls."
"""Followed by the name of the provider's own tool."""
SERVICE_TIER = "treadle.usage.service_tier"
CACHE_SAVED, CACHE_SPENT = "treadle.cache_saved_usd", "treadle.cache_spent_usd"
PURPOSE = "treadle.purpose"
ATTEMPTS = "treadle.attempts"
TURN = "treadle.turn"
STATUS = "treadle.status"
STEP = "treadle.step"
STEP_ID = "treadle.step.id"
CHILD_THREAD = "treadle.child.thread_id"
LIMIT = "treadle.limit"
PARENT_THREAD = "treadle.parent.thread_id"
PARENT_CALL = "treadle.parent.call_id"
LINK = "treadle.link"
"""Why spans are linked: `continues`, to the turn's part before this one.
"""

PROVIDERS = {
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-chat": "openai",
    "openai-responses": "openai",
}
"""Providers that the conventions name otherwise than our model names do."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def model_attributes(name: str) -> Attributes:
    """Provider, model and, if the model's name is an address, the server.

    A server known only by its address counts as `openai`, because that is the protocol it speaks.
    """
    scheme, _, model = name.partition(":")
    if scheme not in _DEFAULT_PORTS:
        return {PROVIDER: PROVIDERS.get(scheme, scheme), REQUEST_MODEL: model or scheme}
    try:
        parts = urlsplit(name)
        port = parts.port or _DEFAULT_PORTS[scheme]
    except ValueError:  # not a valid address
        return {PROVIDER: "openai", REQUEST_MODEL: name.partition("#")[2]}
    return {
        PROVIDER: "openai",
        REQUEST_MODEL: parts.fragment,
        ADDRESS: parts.hostname or "",
        PORT: port,
    }


def request_attributes(called: e.ModelCalled, state: State, thread_id: str) -> Attributes:
    """The attributes of a `chat` span at its start."""
    return {
        OPERATION: CHAT,
        **model_attributes(called.model),
        CONVERSATION: thread_id,
        SESSION: state.root_id,
        MAX_TOKENS: called.max_output_tokens,
        STREAM: True,
        PURPOSE: called.purpose,
    }


def reply_attributes(reply: e.ModelReplied) -> Attributes:
    """The attributes that a reply adds to its `chat` span, but for what was used."""
    attributes: Attributes = {FINISH_REASONS: (reply.finish_reason,)}
    if reply.first_token_s is not None:
        attributes[FIRST_CHUNK] = reply.first_token_s
    if reply.cache_saved_usd is not None:
        attributes[CACHE_SAVED] = reply.cache_saved_usd
    if reply.cache_spent_usd is not None:
        attributes[CACHE_SPENT] = reply.cache_spent_usd
    return attributes


def late_attributes(event: LateOutcome) -> Attributes:
    """The attributes of the event for what a driver has learned after it had lost the thread."""
    attributes: Attributes = {"treadle.claim": event.claim}
    if isinstance(event, e.ModelFailed):
        return attributes | usage_attributes(event.usage, event.cost_usd)
    attributes[CALL_ID] = event.call_id
    if isinstance(event, e.ToolFailed):
        attributes[ERROR] = event.kind
    return attributes


def usage_attributes(usage: e.Usage, cost_usd: float | None) -> Attributes:
    """Tokens and their cost; no cost if no price is known. Parts that are 0 are left out."""
    found: Attributes = {INPUT_TOKENS: usage.input_tokens, OUTPUT_TOKENS: usage.output_tokens}
    parts: Attributes = {
        CACHED_TOKENS: usage.cached_tokens,
        CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        CACHE_WRITE_1H_TOKENS: usage.cache_write_1h_tokens,
        REASONING_TOKENS: usage.reasoning_tokens,
        AUDIO_INPUT_TOKENS: usage.audio_input_tokens,
        AUDIO_OUTPUT_TOKENS: usage.audio_output_tokens,
        SERVICE_TIER: usage.service_tier,
    }
    parts |= {f"{PROVIDER_CALLS}{name}": count for name, count in usage.provider_calls.items()}
    found |= {name: value for name, value in parts.items() if value}
    if usage.estimated:
        found[ESTIMATED] = True
    if cost_usd is not None:
        found[COST] = cost_usd
    return found


def tool_call_attributes(call: e.Call, agent: str, root_id: str) -> Attributes:
    """The attributes of an `execute_tool` span at its start."""
    return {
        OPERATION: EXECUTE_TOOL,
        TOOL: call.name,
        TOOL_TYPE: "function",
        CALL_ID: call.id,
        AGENT: agent,
        SESSION: root_id,
    }


def step_attributes(call: e.Call, root_id: str) -> Attributes:
    """The attributes of a step's span at its start. The conventions have no names for steps."""
    return {STEP: call.name, STEP_ID: call.id, SESSION: root_id}


def turn_attributes(agent: str, state: State, thread_id: str) -> Attributes:
    """The attributes of an `invoke_agent` span at its start."""
    return {
        OPERATION: INVOKE_AGENT,
        AGENT: agent,
        CONVERSATION: thread_id,
        SESSION: state.root_id,
        TURN: state.turns,
    }


def retry_attributes(event: e.ModelFailed | e.ToolFailed) -> Attributes:
    """The attributes of the event for a failed attempt that is followed by another."""
    return {ERROR: event.kind, "treadle.retry_after_s": event.retry_after_s or 0.0}


def limit_attributes(event: e.LimitReached) -> Attributes:
    """The attributes of the event for a limit that was reached."""
    attributes: Attributes = {LIMIT: event.limit, "used": event.used, "allowed": event.allowed}
    if event.account:
        attributes |= {"account": event.account, "waits": event.waits}
    return attributes


def describe_decision(
    event: e.LimitRaised | e.TrustChanged | e.FeedbackGiven,
) -> tuple[str, Attributes]:
    """Name and attributes of the event for what a person has decided about a turn or a thread."""
    match event:
        case e.TrustChanged(trusted=trusted):
            return "treadle.trust_changed", {"treadle.trusted": trusted}
        case e.FeedbackGiven(good=good, by=by, turn_seq=seq):
            about: Attributes = {"treadle.good": good, "by": by, "treadle.turn_seq": seq}
            return "treadle.feedback_given", about
        case e.LimitRaised():
            more = {name: getattr(event, name) for name in RAISED if getattr(event, name)}
            return "treadle.limit_raised", {"by": event.by, **more}


def event_name(event: HumanEvent) -> str:
    """The name of the span event for a question to a person, or for what a person said."""
    match event:
        case e.ApprovalAsked():
            return "treadle.approval_asked"
        case e.ApprovalGiven(call_id=""):
            return "treadle.let_go_on"
        case e.ApprovalGiven(allowed=allowed):
            return "treadle.approval_given" if allowed else "treadle.approval_denied"
        case e.QuestionAsked():
            return "treadle.question_asked"
        case e.UserSaid(steers=True):
            return "treadle.steered"
        case e.UserSaid():
            return "treadle.question_answered"
        case e.OutcomeDecided(outcome=outcome):
            return f"treadle.outcome_{outcome}"
