"""`treadle cache`: what each model call read from the provider's cache, and what broke it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..observe.cache import CacheStep, read_cache_steps
from .agents import choose_store
from .options import StoreOptions, name_thread
from .parameters import make_flag
from .tables import format_table
from .terminal import Screen, print_as_json, print_line
from .threads import read_thread


@dataclass(frozen=True, kw_only=True)
class CacheOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    json: bool = make_flag("As JSON Lines, one a model call.")


def cache(settings: CacheOptions) -> int:
    """For each model call: what was read from the cache, and which record broke the beginning."""
    steps = read_cache_steps(read_thread(choose_store(settings), settings.thread))
    if settings.json:
        for step in steps:
            print_as_json(_to_json(step))
    elif steps:
        print_line(format_table([_HEADINGS, *map(_row, steps)]))
        print_line(_describe_total(steps))
    else:
        Screen().note("no model was called in this thread", "dim")
    return 0


_HEADINGS = ("call", "record", "input", "read", "written", "same", "what broke the beginning")


def _row(step: CacheStep) -> tuple[str, ...]:
    counts = ("-", "-", "-")
    if step.usage:
        usage = step.usage
        numbers = (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens)
        counts = (f"{numbers[0]:,}", f"{numbers[1]:,}", f"{numbers[2]:,}")
    same = f"{step.same_share:.0%}" if step.compared_seq else "-"
    return (str(step.step), f"@{step.seq}", *counts, same, _explain(step))


def _explain(step: CacheStep) -> str:
    said = [step.why] if step.why else []
    if step.broken_seq:
        said = [f"record {step.broken_seq}: {step.why}"]
    if not step.is_exact:
        said.append("the prompt can't be built again as it was sent, so this may be wrong")
    if step.why_unread:
        said.append(step.why_unread)
    return "; ".join(said)


def _describe_total(steps: Sequence[CacheStep]) -> str:
    usages = [step.usage for step in steps if step.usage]
    tokens = sum(usage.input_tokens for usage in usages)
    read = sum(usage.cached_tokens for usage in usages)
    all_bytes = sum(step.prompt_bytes for step in steps)
    same = sum(step.same_bytes for step in steps)
    broken = sum(1 for step in steps if step.broken_seq)
    parts = ["no provider counted"]
    if tokens:
        parts = [f"{read / tokens:.1%} of {tokens:,} input tokens were read from the cache"]
    if all_bytes:
        parts.append(f"{same / all_bytes:.1%} of the prompts' bytes were there to be read")
    parts.append(f"the beginning was broken {broken:,} times")
    return f"in all: {'; '.join(parts)}"


def _to_json(step: CacheStep) -> object:
    shares = {"same_share": step.same_share, "read_share": step.read_share}
    return msgspec.to_builtins(step) | shares
