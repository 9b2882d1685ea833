"""A small MCP server over stdio without any library, so that it starts in milliseconds: `plain.py FOLDER [new]`.

It speaks the older protocol, or with `new` the newer one, with tasks. What it has to remember over a restart stands in
the folder: `tools.json` changes its tools, `tasks` holds its tasks, `calls` counts its calls, `folder` and `pid`
say where it was started and what it is, `mute tools list` leaves that method without an answer.
"""

import json
import os
import sys
from pathlib import Path

FOLDER, NEW = Path(sys.argv[1]), "new" in sys.argv
OBJECT = {"type": "object", "properties": {}}
COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
    "required": ["colour"],
}
TOOLS = {
    "echo": (
        "Say it again.",
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    ),
    "order": ("Order a lamp.", OBJECT),
    "die": ("End the server in mid-call.", OBJECT),
    "hang": ("Never come back.", OBJECT),
    "process": ("The process id.", OBJECT),
    "environment": ("Names of the variables it sees.", OBJECT),
    "build": ("A task.", OBJECT),
    "see": ("Results of each kind.", OBJECT),
    "fail": ("Fail.", OBJECT),
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HINTS = {
    "echo": {"readOnlyHint": True, "openWorldHint": False},
    "process": {"destructiveHint": False, "idempotentHint": True},
}


def send(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def listed() -> list[dict]:
    changed = (
        json.loads((FOLDER / "tools.json").read_text()) if (FOLDER / "tools.json").exists() else {}
    )
    told = {
        name: {"description": text, "inputSchema": schema} for name, (text, schema) in TOOLS.items()
    }
    for name, definition in changed.items():
        told[name] = told.get(name, {}) | definition
    return [
        {"name": name, **definition, "annotations": HINTS.get(name, {})}
        for name, definition in reversed(told.items())
        if not definition.get("gone")
    ]


def text(said: object, **more: object) -> dict:
    return {"content": [{"type": "text", "text": str(said)}], **more}


def count_call() -> int:
    path = FOLDER / "calls"
    count = int(path.read_text() or 0) + 1 if path.exists() else 1
    path.write_text(str(count))
    return count


def elicit(message: str) -> dict:
    """The older protocol: ask while the call runs, and wait for the answer."""
    send(
        {
            "id": "ask",
            "method": "elicitation/create",
            "params": {"message": message, "requestedSchema": COLOUR},
        }
    )
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == "ask":
            return answer["result"]
    raise SystemExit


def call(name: str, given: dict) -> dict:
    match name:
        case "echo":
            return text(given["arguments"]["n"])
        case "order" if NEW:
            answers = given.get("inputResponses") or {}
            if "colour" in answers and given.get("requestState") == f"sealed by {os.getpid()}":
                return text(f"{answers['colour']}")
            if given.get("requestState"):
                raise ValueError("requestState of another process")
            asked = {
                "method": "elicitation/create",
                "params": {"message": "Which colour?", "requestedSchema": COLOUR},
            }
            state = f"sealed by {os.getpid()}"
            return {
                "resultType": "input_required",
                "inputRequests": {"colour": asked},
                "requestState": state,
            }
        case "order":
            count = count_call()
            answer = elicit("Which colour?")
            return text(f"{answer} at call {count}")
        case "die":
            os._exit(1)
        case "hang":
            if (FOLDER / "hangs").is_fifo():  # somebody waits for this
                (FOLDER / "hangs").write_text("now")
            sys.stdin.read()  # until the client closes the pipe
        case "process":
            return text(os.getpid())
        case "environment":
            return text(",".join(sorted(os.environ)))
        case "build":
            (FOLDER / "tasks").write_text("working")
            return {
                "resultType": "task",
                "taskId": "t1",
                "status": "working",
                "pollIntervalMs": 1,
                **TIMES,
            }
        case "see":
            picture = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
            link = {"type": "resource_link", "uri": "file:///lamp.txt", "name": "lamp"}
            note = {"type": "resource", "resource": {"uri": "file:///n.txt", "text": "turn left"}}
            return {
                "content": [{"type": "text", "text": "a lamp"}, picture, link, note],
                "structuredContent": {"a": 1},
            }
        case "fail":
            return text("no lamp there", isError=True)
    raise ValueError(f"no tool {name}")


TIMES = {
    "createdAt": "2026-01-01T00:00:00Z",
    "lastUpdatedAt": "2026-01-01T00:00:00Z",
    "ttlMs": None,
}


def task(method: str, given: dict) -> dict:
    state = FOLDER / "tasks"
    if method == "tasks/update":
        state.write_text(json.dumps(given["inputResponses"]))
        return {"resultType": "complete"}
    told = {"resultType": "complete", "taskId": given["taskId"], **TIMES, "pollIntervalMs": 1}
    said = state.read_text()
    if said == "asks":
        asked = {
            "method": "elicitation/create",
            "params": {"message": "Which colour?", "requestedSchema": COLOUR},
        }
        return {**told, "status": "input_required", "inputRequests": {"c": asked}}
    if said == "working":
        return {**told, "status": "working"}
    if said == "failed":
        return {**told, "status": "failed", "error": {"code": -1, "message": "no bricks"}}
    return {**told, "status": "completed", "result": text(f"built {said}")}


def answer(method: str, given: dict) -> dict:
    if method == "server/discover" and NEW:
        capabilities = {"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
        versions = {"supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private"}
        return {"resultType": "complete", "capabilities": capabilities, **versions}
    if method == "initialize" and not NEW:
        about = {
            "serverInfo": {"name": "plain", "version": "1"},
            "capabilities": {"tools": {"listChanged": True}},
        }
        return {"protocolVersion": "2025-11-25", **about}
    if method == "tools/list":
        more = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if NEW else {}
        return {"tools": listed(), **more}
    if method == "tools/call":
        result = call(given["name"], given)
        if NEW:
            result = {"resultType": "complete", **result}
        return result
    if method.startswith("tasks/"):
        return task(method, given)
    raise LookupError(method)


def main() -> None:
    print("plain server starts", file=sys.stderr)
    (FOLDER / "folder").write_text(os.getcwd())
    (FOLDER / "pid").write_text(f"{os.getpid()}\n")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if (FOLDER / f"mute {message['method'].replace('/', ' ')}").exists():
            continue
        if (FOLDER / "changed").exists():
            (FOLDER / "changed").unlink()
            send({"method": "notifications/tools/list_changed"})
        try:
            send(
                {
                    "id": message["id"],
                    "result": answer(message["method"], message.get("params") or {}),
                }
            )
        except LookupError as error:
            send({"id": message["id"], "error": {"code": -32601, "message": f"no method {error}"}})
        except ValueError as error:
            send({"id": message["id"], "error": {"code": -32602, "message": str(error)}})


if __name__ == "__main__":
    main()
