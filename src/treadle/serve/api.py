"""The table of the API: every path, and what answers it."""

from ..graphs.picture import Picture
from . import chat, costs, decisions, inbox, queue, records, responses, stream, threads, turns
from .routes import Route
from .shown import ShownRecord

THREAD = "/api/threads/{thread}"

API = (
    Route("GET", "/api/agents", inbox.read_agents),
    Route("GET", "/api/waiting", inbox.list_waiting, gives=list[inbox.Waiting]),
    Route("GET", "/api/queue", queue.read_queue, gives=queue.WorkQueue),
    Route("GET", "/api/costs", costs.read_costs, query=costs.CostQuery, gives=costs.Costs),
    Route(
        "GET",
        "/api/threads",
        threads.list_threads,
        query=threads.ListQuery,
        gives=threads.ThreadPage,
    ),
    Route(
        "POST", "/api/threads", turns.begin, takes=turns.NewThread, gives=turns.Begun, status=202
    ),
    Route("GET", THREAD, threads.read_thread, gives=threads.Thread),
    Route("DELETE", THREAD, turns.delete, gives=turns.Deleted),
    Route(
        "GET",
        f"{THREAD}/records",
        records.read_records,
        query=records.RecordQuery,
        gives=list[ShownRecord],
    ),
    Route("GET", f"{THREAD}/picture", records.read_picture, gives=Picture),
    Route("GET", f"{THREAD}/stream", stream.stream_thread, query=stream.StreamQuery),
    Route("GET", f"{THREAD}/prompts/{{seq}}", records.read_prompt, gives=records.SeenPrompt),
    Route(
        "POST",
        f"{THREAD}/messages",
        turns.say,
        takes=turns.NewMessage,
        gives=turns.Begun,
        status=202,
    ),
    Route("POST", f"{THREAD}/cancel", turns.cancel, takes=turns.Reason, status=202),
    Route("POST", f"{THREAD}/resume", turns.resume, takes=turns.Resuming, status=202),
    Route("POST", f"{THREAD}/fork", turns.fork_thread, takes=turns.NewFork, gives=turns.Forked),
    Route("POST", f"{THREAD}/limit", turns.raise_limit, takes=turns.More, status=202),
    Route("POST", f"{THREAD}/adopt", turns.adopt, takes=turns.Reason),
    Route("POST", f"{THREAD}/approvals", decisions.approve, takes=decisions.Approval, status=202),
    Route("POST", f"{THREAD}/answers", decisions.answer, takes=decisions.Answer, status=202),
    Route(
        "POST", f"{THREAD}/outcomes", decisions.decide_outcome, takes=decisions.Outcome, status=202
    ),
    Route("POST", f"{THREAD}/feedback", decisions.give_feedback, takes=decisions.Feedback),
    Route(
        "POST",
        "/api/settle",
        decisions.settle,
        takes=decisions.HandleResult,
        gives=list[decisions.Settled],
    ),
    Route("GET", "/v1/models", chat.list_models),
    Route("GET", "/v1/models/{model}", chat.read_model),
    Route("POST", "/v1/chat/completions", chat.complete, takes=chat.ChatRequest),
    Route("POST", "/v1/responses", responses.respond, takes=responses.ResponseRequest),
    Route("GET", "/v1/responses/{id}", responses.read_response, query=responses.OwnerQuery),
    Route(
        "POST",
        "/v1/responses/{id}/cancel",
        responses.cancel_response,
        query=responses.OwnerQuery,
    ),
)
