// Makes of a thread's records what the page shows: turns with messages, replies and calls. Pure.

// One that begins in the middle of a thread begins with what is left of a turn.
export function newStory(firstSeq = 1) {
  const turns = firstSeq > 1 ? [newTurn(0, [{ kind: "note", text: "The beginning isn't shown." }])] : [];
  return { turns, calls: new Map(), lastSeq: 0, agent: "", spans: [], open: new Map() };
}

function newTurn(seq, items) {
  return { seq, items, ended: null, feedback: new Map() };
}

// Adds a record of the thread itself. Returns the turn that the page must show anew, or null.
export function tell(story, shown) {
  const { record } = shown;
  const event = record.event;
  if (record.seq <= story.lastSeq) return null;
  story.lastSeq = record.seq;
  const type = event.type.replace(/\.\d+$/, "");
  measure(story, type, record);
  const handler = HANDLERS[type];
  if (!handler) return null;
  return handler(story, event, record) ?? lastTurn(story) ?? null;
}

export function textOf(content) {
  if (typeof content === "string") return content;
  return (content ?? [])
    .map((part) => {
      if (typeof part === "string") return part;
      if (part.type === "Text") return part.text;
      if (part.url) return `[${part.type.toLowerCase()}${part.name ? ` ${part.name}` : ""}]`;
      return "";
    })
    .join("");
}

function blocks(content, type) {
  return typeof content === "string" ? [] : (content ?? []).filter((block) => block.type === type);
}

function lastTurn(story) {
  return story.turns[story.turns.length - 1];
}

const HANDLERS = {
  AgentDescribed(story, event) {
    story.agent = event.agent;
  },
  ThreadStarted(story, event) {
    story.agent = event.agent;
  },
  UserSaid(story, event, record) {
    const said = { kind: "said", by: event.by, text: textOf(event.content), seq: record.seq, at: record.at };
    if (event.answers) {
      const call = story.calls.get(event.answers);
      if (call && event.in_call) change(call, { status: "allowed" }); // its tool goes on with it
      else if (call) change(call, { status: "done", result: said.text, by: event.by });
      return;
    }
    if (event.steers && lastTurn(story)) {
      lastTurn(story).items.push({ ...said, steers: true });
      return;
    }
    story.turns.push(newTurn(record.seq, [said]));
  },
  ModelReplied(story, event, record) {
    const turn = lastTurn(story);
    if (!turn) return;
    const thinking = blocks(event.content, "Thinking").map((block) => block.text).join("\n");
    const text = textOf(event.content);
    if (thinking || text) {
      turn.items.push({ kind: "reply", text, thinking, seq: record.seq, refusal: event.refusal });
    }
    for (const call of blocks(event.content, "Call")) addCall(story, turn, call, record);
  },
  StepAsked(story, event, record) {
    const turn = lastTurn(story);
    if (turn) addCall(story, turn, event.call, record);
  },
  ToolStarted: mark((call) => ({ status: "running", tries: (call.tries ?? 0) + 1 })),
  ToolReturned: mark((call, event) => ({
    status: "done", result: event.content, took: event.duration_s, cut: event.cut_chars, by: event.by,
  })),
  ToolFailed: mark((call, event) => ({
    status: event.retry_after_s === null || event.retry_after_s === undefined ? "failed" : "running",
    result: event.message, took: event.duration_s,
  })),
  ApprovalAsked: mark(() => ({ status: "waiting" })),
  ApprovalGiven: mark((call, event) => ({
    status: event.allowed ? "allowed" : "refused",
    decided: `${event.allowed ? "allowed" : "refused"} by ${event.by}${event.reason ? `: ${event.reason}` : ""}`,
    ...(event.arguments ? { arguments: event.arguments, edited: true } : {}),
  })),
  QuestionAsked: mark((call, event) => ({ status: "question", question: event.text })),
  OutcomeDecided: mark((call, event) => ({
    status: event.outcome === "not_run" ? "allowed" : "done", decided: `${event.outcome}, says ${event.by}`,
    result: event.content || call.result,
  })),
  CallNoted: mark((call, event) => (event.pending ? { status: "pending", handle: event.handle } : { handle: event.handle })),
  ChildStarted: mark((call, event) => ({ child: event.thread_id, status: "running" })),
  ChildWaits: mark(() => ({ status: "running" })),
  AnswerRejected(story, event) {
    lastTurn(story)?.items.push({ kind: "note", text: `The answer won't do: ${event.message}` });
  },
  HandedOff(story, event) {
    story.agent = event.agent;
    lastTurn(story)?.items.push({ kind: "note", text: `${event.agent} is in charge from here on.` });
  },
  LimitReached(story, event) {
    lastTurn(story)?.items.push({ kind: "note", text: `The limit of ${event.limit} is reached.` });
  },
  ContextCompacted(story, event) {
    if (event.summary) lastTurn(story)?.items.push({ kind: "note", text: "Older messages were summarised." });
  },
  FeedbackGiven(story, event) {
    const turn = story.turns.find((each) => each.seq === event.turn_seq);
    turn?.feedback.set(event.by, event); // the last word of each person holds
    return turn;
  },
  ThreadClaimed(story, event) {
    const turn = lastTurn(story);
    if (turn && event.reopens) turn.ended = null;
  },
  TurnEnded(story, event) {
    const turn = lastTurn(story);
    if (turn) turn.ended = event;
  },
};

function mark(become) {
  return (story, event) => {
    const call = story.calls.get(event.call_id);
    if (call) change(call, become(call, event));
  };
}

// Whoever has drawn the call sees by its number of changes that it must be drawn again.
function change(call, fields) {
  Object.assign(call, fields);
  call.changes += 1;
}

function addCall(story, turn, asked, record) {
  const call = { kind: "call", id: asked.id, name: asked.name, arguments: asked.arguments, status: "asked", seq: record.seq, changes: 0 };
  story.calls.set(asked.id, call);
  turn.items.push(call);
}

// Spans of time: model calls, tools and waits for people, each from its beginning to its end.
function measure(story, type, record) {
  const event = record.event;
  const begin = (key, kind, name) => {
    const span = { kind, name, from: record.at, to: null, seq: record.seq, failed: false };
    story.spans.push(span);
    story.open.set(key, span);
  };
  const end = (key, failed = false) => {
    const span = story.open.get(key);
    if (!span) return;
    span.to = record.at;
    span.failed = failed;
    story.open.delete(key);
  };
  if (type === "ModelCalled") begin("model", "model", event.model);
  if (type === "ModelReplied") end("model");
  if (type === "ModelFailed") end("model", true);
  if (type === "ToolStarted") begin(event.call_id, "tool", story.calls.get(event.call_id)?.name ?? event.call_id);
  if (type === "ToolReturned") end(event.call_id);
  if (type === "ToolFailed") end(event.call_id, true);
  if (type === "ApprovalAsked" || type === "QuestionAsked") {
    begin(`wait ${event.call_id}`, "wait", "a person");
  }
  if (type === "ApprovalGiven" || type === "OutcomeDecided") end(`wait ${event.call_id}`);
  if (type === "UserSaid" && event.answers) end(`wait ${event.answers}`);
  if (type === "ThreadClaimed" || type === "TurnEnded") {
    for (const [key, span] of story.open) {
      if (span.kind !== "wait" || type === "TurnEnded") {
        span.to = record.at;
        span.failed = type === "ThreadClaimed";
        story.open.delete(key);
      }
    }
  }
}
