"""What a thread's model calls are paid from, in sentences for people. Pure."""

from collections.abc import Iterator, Sequence

from ..core.account import describe_account, is_of_minute
from ..core.limits import Ceiling
from ..runtime.read_accounts import AccountInfo, Charge
from .amounts import format_cost, format_count

MAX_NAMED = 5
"""How many threads or calls a sentence names."""


def describe_accounts(accounts: Sequence[AccountInfo]) -> tuple[str, ...]:
    """Of each account: what it has come to, who has reserved a part, and who waits for it."""
    return tuple(line for account in accounts for line in _lines(account))


def _lines(account: AccountInfo) -> Iterator[str]:
    amounts = " and ".join(_amounts(account)) or "nothing"
    said = f"{describe_account(account.name)}: {amounts} used or reserved"
    if account.most is None:
        said += "; its limit stands in the code (--agent MODULE:NAME)"
    yield said
    for charge in account.charges[:MAX_NAMED]:
        yield f"  of that, {_describe_charge(charge)}"
    if len(account.charges) > MAX_NAMED:
        yield f"  and {len(account.charges) - MAX_NAMED:,} more calls at their worst case"
    if account.waits_in_line:
        yield f"  wait until others have ended: {_name(account.waits_in_line)}"
    if account.waits_for_limit:
        until = "its limit is raised"
        if not account.name.startswith("turn:"):
            until = "it begins anew, or its limit is raised in the code"
        yield f"  wait until {until}: {_name(account.waits_for_limit)}"


def _amounts(account: AccountInfo) -> Iterator[str]:
    """Tokens, dollars and requests; those that are neither used nor limited are left out."""
    most = account.most or Ceiling()
    if is_of_minute(account.name):
        yield f"{_of(f'{account.requests:,}', most.requests)} model calls"
    if account.tokens or most.tokens is not None:
        yield f"{_of(f'{account.tokens:,}', most.tokens)} tokens"
    if account.usd or most.usd is not None:
        usd = format_cost(account.usd)
        yield usd if most.usd is None else f"{usd} of {format_cost(most.usd)}"


def _of(used: str, most: int | None) -> str:
    return used if most is None else f"{used} of {most:,}"


def _describe_charge(charge: Charge) -> str:
    worst = format_count(charge.tokens, "token")
    if charge.usd:
        worst += f" and {format_cost(charge.usd)}"
    if charge.has_driver:
        return f"{worst} are reserved by thread {charge.thread_id}, whose model writes now"
    lost = "nobody knows what it has used, so its worst case counts"
    if charge.in_flight:
        return (
            f"{worst} are reserved by thread {charge.thread_id}, whose process is gone: {lost}."
            " Resuming it tries again, and counts this as used"
        )
    return (
        f"{worst} are of a model call of thread {charge.thread_id} that never got its reply:"
        f" {lost}, unless its process or provider still tells it"
    )


def _name(threads: Sequence[str]) -> str:
    named = ", ".join(f"thread {name}" for name in threads[:MAX_NAMED])
    if len(threads) > MAX_NAMED:
        named += f" and {len(threads) - MAX_NAMED:,} more"
    return named
