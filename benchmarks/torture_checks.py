"""What benchmarks/torture.py checks: the logs, the ledger of effects, and what each process notes of itself."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from torture_play import Play, read_journal

from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.count_thread import count_thread
from treadle.core.errors import TreadleError
from treadle.core.result import read_result
from treadle.core.state import OPEN_PHASES, State, apply, fold
from treadle.core.waits import find_tree_waits
from treadle.runtime.due import find_due
from treadle.runtime.log import open_log
from treadle.runtime.waiting_children import read_waiting_children
from treadle.runtime.world import World
from treadle.stores.archive import ALL_THREADS
from treadle.stores.rows import from_rows

IDEMPOTENT = ("put", "put_later")
WITHOUT_EFFECT = (
    "look",
    "broken",
    "ask_user",
    "helper",
    "plan",
    "judge",
    "approve",
    "ask",
    "sleep",
)
STOOD_S = 2.2
"""A beat that others saw stand still for three seconds was noted for at least so long. (They count half a second where
they stood still themselves.)"""
SLACK_S = 1.5
"""How long a process may take from its decision to the note of it, on a busy machine."""

Line = dict[str, Any]


@dataclass
class Checks:
    """What is known so far, and what went wrong."""

    play: Play
    violations: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    _seen: dict[str, list[int]] = field(default_factory=dict)
    """By thread, the checksum of each record that was there once."""

    def broken(self, thread: str, what: str) -> None:
        """Keep a violation, once, and print it."""
        line = f"{thread}: {what}"
        if line not in self.violations:
            self.violations.append(line)
            print(f"VIOLATION  {line}", flush=True)

    # While it runs

    async def look(self, store: Any) -> dict[str, list[e.Record]]:
        """All logs by thread: each must be readable, legal, and have what it had before."""
        logs = {}
        for info in await store.threads(ALL_THREADS):
            try:
                rows = await store.read(info.thread_id)
                records = from_rows(info.thread_id, rows)
                fold(records)
            except TreadleError as error:
                self.broken(info.thread_id, f"can't be read: {error}")
                continue
            sums = [crc32(row.event) for row in rows]
            before = self._seen.get(info.thread_id, [])
            if [row.seq for row in rows] != list(range(1, len(rows) + 1)):
                self.broken(info.thread_id, "its records aren't numbered without gaps")
            if sums[: len(before)] != before:
                self.broken(info.thread_id, f"of {len(before)} records some are lost or changed")
            self._seen[info.thread_id] = sums
            logs[info.thread_id] = records
        return logs

    def check_effects(self, logs: dict[str, list[e.Record]]) -> None:
        """No effect twice, and none missing of what has returned."""
        effects: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in read_journal(self.play.folder / "ledger"):
            if line["what"] == "effect":
                effects[line["thread"], line["call"]].append(line)
        self.figures["effects"] = sum(map(len, effects.values()))
        for (thread, call), lines in effects.items():
            if lines[0]["tool"] in IDEMPOTENT:
                self.figures["effects again, under the same key"] += len(lines) - 1
                if len({line["key"] for line in lines}) > 1:
                    self.broken(thread, f"call {call} of {lines[0]['tool']} has run under two keys")
            elif len(lines) > 1:
                who = ", ".join(f"pid {line['pid']} attempt {line['attempt']}" for line in lines)
                self.broken(thread, f"call {call} of {lines[0]['tool']} has run twice: {who}")
        for thread, records in logs.items():
            names = _names(records)
            for record in records:
                if isinstance(record.event, e.ToolReturned):
                    call = record.event.call_id
                    children = {
                        each.event.call_id
                        for each in records
                        if isinstance(each.event, e.ChildStarted)
                    }
                    name = names.get(call, "")
                    if name in WITHOUT_EFFECT or call in children or (thread, call) in effects:
                        continue
                    self.broken(thread, f"call {call} of {name} has returned without its effect")

    # At the end

    async def check_all(self, store: SQLiteStore) -> None:
        logs = await self.check_logs(store)
        self.check_takeovers(read_journal(self.play.folder / "journal"), logs)
        for fault in [*store.find_wrong_lines(), *store.find_file_damage()]:
            self.broken("the file", fault)

    async def check_logs(self, store: Any) -> dict[str, list[e.Record]]:
        """All that must hold on any machines, whatever was cut off; the logs."""
        logs = await self.look(store)
        self.figures["effects again, under the same key"] = 0
        lines = read_journal(self.play.folder / "journal")
        self.check_effects(logs)
        self.check_kept(lines)
        self.check_errors(lines)
        self.check_results(lines, logs)
        self.check_usage(logs)
        await self.check_ends(store, logs)
        self.figures["threads, with children"] = len(logs)
        self.figures["records"] = sum(map(len, logs.values()))
        return logs

    def check_kept(self, lines: Sequence[Line]) -> None:
        """What an append has returned for is there."""
        for line in lines:
            if line["what"] == "kept":
                sums = self._seen.get(line["thread"], [])
                if line["seq"] > len(sums) or sums[line["seq"] - 1] != line["crc"]:
                    self.broken(line["thread"], f"record {line['seq']} was written and is lost")

    def check_errors(self, lines: Sequence[Line]) -> None:
        """Callers got nothing that they weren't promised."""
        for line in lines:
            if line["what"] == "error":
                told = line.get("trace", "")
                self.broken(
                    line.get("thread", "a process"),
                    f"{line.get('how')} raised {line.get('error')}\n{told}",
                )

    def check_results(self, lines: Sequence[Line], logs: dict[str, list[e.Record]]) -> None:
        """All callers got the same result, and it is what the log says."""
        given: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
        for line in lines:
            if line["what"] == "result" and line["said"][0] not in ("waiting", "unfinished"):
                given[line["thread"], line["turn"]].append(line)
        for (thread, turn), results in given.items():
            self.figures["results given"] += len(results)
            said = {json_key(line["said"]) for line in results}
            said.add(json_key(_result_of(logs[thread], turn)))
            if len(said) > 1:
                ways = ", ".join(line["how"] for line in results)
                self.broken(thread, f"the callers of turn {turn} ({ways}) got {sorted(said)}")

    def check_takeovers(self, lines: Sequence[Line], logs: dict[str, list[e.Record]]) -> None:
        """No turn was taken from a driver that was alive and whose beat went on."""
        facts = Facts(lines)
        for thread, records in logs.items():
            if thread not in self.play.names():
                continue  # children go with their parents
            state = State()
            let_go = ""
            for record in records:
                event = record.event
                before, state = state, apply(state, record)
                if not isinstance(event, e.ThreadClaimed):
                    continue
                if event.releases:
                    let_go = event.claim
                    continue
                if before.phase not in OPEN_PHASES or not before.claim:
                    continue
                why = "let go" if before.claim == let_go else facts.why(before.claim, event)
                self.figures[f"taken over: {why or 'from the living'}"] += 1
                if not why:
                    told = facts.describe(before.claim, event.claim)
                    self.broken(
                        thread, f"record {record.seq} takes it from a living driver: {told}"
                    )

    def check_usage(self, logs: dict[str, list[e.Record]]) -> None:
        """What the logs say was used is what the model gave; a child's use is its parent's too."""
        paid: Counter[str] = Counter()
        for line in read_journal(self.play.folder / "ledger"):
            if line["what"] == "asked":
                paid[line["part"]] += line["tokens"]
        for thread, records in logs.items():
            totals = count_thread(records).totals
            used, lost = totals.usage.total_tokens, totals.counts["lost_tokens"]
            parts = {
                each.event.text.split()[1]
                for each in records
                if isinstance(each.event, e.UserSaid) and each.event.text.startswith("play ")
            }
            real = sum(paid[part] for part in parts)
            self.figures["tokens"] += used
            if not used <= real <= used + lost:
                self.broken(
                    thread, f"the model gave {real} tokens; the log has {used}, and {lost} lost"
                )
            result = read_result(records, fold(records))
            if result.usage != _usage(result.records):
                self.broken(
                    thread, f"its usage is {result.usage}, its records' {_usage(result.records)}"
                )
            self._check_children(thread, records, logs)

    def _check_children(
        self, thread: str, records: Sequence[e.Record], logs: dict[str, list[e.Record]]
    ) -> None:
        children = {
            each.event.call_id: each.event.thread_id
            for each in records
            if isinstance(each.event, e.ChildStarted)
        }
        for call, child in children.items():
            told = [
                each
                for each in records
                if isinstance(each.event, e.ToolReturned | e.ToolFailed)
                and each.event.call_id == call
            ]
            if not told or child not in logs:
                continue
            ends = [each.seq for each in logs[child] if isinstance(each.event, e.TurnEnded)]
            if not ends:
                self.broken(child, f"its parent's call {call} is over, and it isn't")
                continue
            own = _usage([each for each in logs[child] if each.seq <= ends[-1]])
            if _usage(told) != own:
                self.broken(
                    child, f"it has used {own}; its parent {thread} was told {_usage(told)}"
                )

    async def check_ends(self, store: Any, logs: dict[str, list[e.Record]]) -> None:
        """Every thread has ended, or waits for what is listed; nothing is due."""
        listed = {info.thread_id: info.status for info in await store.threads(ALL_THREADS)}
        for name in self.play.names():
            if name not in logs:
                self.broken(name, "it was never begun")
                continue
            log = await open_log(name, store, World())
            if log.state.phase not in OPEN_PHASES:
                self.figures["threads ended"] += 1
                continue
            states = {**await read_waiting_children(log), name: log.state}
            waits = find_tree_waits(name, states)
            if waits and listed[name] in ("waiting", "parked"):
                self.figures["threads waiting"] += 1
            else:
                last = type(log.records[-1].event).__name__
                self.broken(
                    name, f"neither ended nor waiting: {listed[name]}, last {last}, lists {waits}"
                )
        for each in await find_due(store, World()):
            self.broken(each.thread_id, "it is due, and nobody has resumed it")


class Facts:
    """What the processes noted of their claims, and when they died."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.attends: dict[str, Line] = {}
        self.withdraws: dict[str, float] = {}
        self.stood: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self.died: dict[int, float] = {}
        self.stops: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        self.stalls: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        """When its event loop stood still; a process that was killed then could note nothing else."""
        stopped: dict[int, float] = {}
        for line in lines:
            match line["what"]:
                case "attends":
                    self.attends[line["claim"]] = line
                case "withdraws":
                    self.withdraws[line["claim"]] = line["at"]
                case "stood":
                    self.stood[line["claim"]].append((line["since"], line["at"]))
                case "exits" | "dies":
                    self.died[line["pid"]] = line["at"]
                case "kill":
                    self.died[line["child"]] = line["at"]
                    if line["child"] in stopped:
                        self.stops[line["child"]].append((stopped[line["child"]], line["at"]))
                case "stop":
                    stopped[line["child"]] = line["at"]
                case "go on":
                    self.stops[line["child"]].append((stopped.pop(line["child"]), line["at"]))
                case "stalls":
                    self.stalls[line["pid"]].append((line["at"], line["at"] + line["seconds"]))

    def why(self, claim: str, taker: e.ThreadClaimed) -> str:
        """Why the driver of this claim might be replaced by that one; "" if it might not."""
        if not taker.driver:
            return "by a person's decision"
        if claim not in self.attends:
            return "after a person's decision"
        by = self.attends[taker.claim]
        at, pid = by["at"], self.attends[claim]["pid"]
        if self.withdraws.get(claim, at) < at:
            return "its drive had ended"
        if self.died.get(pid, at) < at:
            return "its process had died"
        if by["forced"]:
            return "by force"
        for since, until in self._still(claim, pid):
            stood_s = at - since - self._slept_s(by["pid"], since, at)
            if stood_s >= STOOD_S and at <= until + SLACK_S:
                return "it had stood still"
        return ""

    def _still(self, claim: str, pid: int) -> list[tuple[float, float]]:
        """When the beat of the claim stood still, as it was noted, or as follows from what was done."""
        merged: list[tuple[float, float]] = []
        for since, until in sorted(self.stops[pid] + self.stalls[pid]):
            if merged and since <= merged[-1][1] + 0.5:
                since, before = merged.pop()
                until = max(until, before)
            merged.append((since, until))
        return self.stood[claim] + merged

    def _slept_s(self, pid: int, since: float, until: float) -> float:
        """How long this process was stopped in that time."""
        return sum(max(0.0, min(until, end) - max(since, start)) for start, end in self.stops[pid])

    def describe(self, claim: str, taker: str) -> str:
        at, pid = self.attends[taker]["at"], self.attends[claim]["pid"]
        near = [
            (round(since - at, 2), round(until - at, 2))
            for since, until in self._still(claim, pid)
            if at - 10 < until and since < at + 2
        ]
        return (
            f"pid {self.attends[taker]['pid']} took claim {claim} of pid {pid}; seconds from then:"
            f" withdrawn {self._since(self.withdraws.get(claim), at)}, process died"
            f" {self._since(self.died.get(pid), at)}, stood still {near}"
        )

    @staticmethod
    def _since(when: float | None, at: float) -> str:
        return "never" if when is None else f"{when - at:.2f}"


def json_key(said: Sequence[str]) -> str:
    return " | ".join(said)


def _names(records: Sequence[e.Record]) -> dict[str, str]:
    names = {}
    for record in records:
        if isinstance(record.event, e.ModelReplied):
            names |= {call.id: call.name for call in record.event.calls}
        if isinstance(record.event, e.StepAsked):
            names[record.event.call.id] = record.event.call.name
    return names


def _usage(records: Sequence[e.Record]) -> e.Usage:
    total = e.Usage()
    for record in records:
        if isinstance(record.event, e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed):
            total += record.event.usage
    return total


def _result_of(records: Sequence[e.Record], turn: int) -> Sequence[str]:
    """Status, answer and reason of the turn that was opened at this seq."""
    end = next(
        each.seq for each in records if each.seq > turn and isinstance(each.event, e.TurnEnded)
    )
    own = records[:end]
    result = read_result(own, fold(own))
    return [result.status, result.answer, result.reason]
