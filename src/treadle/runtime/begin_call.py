"""Begins a model call: reserves what it may use in all accounts that pay for it, or waits for that.

1. Where an account has no room, the call waits as long as a living driver holds a part of it, or
   waits in front; for a minute's account, until its time comes.
2. Where waiting would bring nothing, the call is made smaller. Where not even that fits, the limit
   is a fact.
3. Nobody waits holding anything, and waiting costs no seconds of work.
"""

from msgspec.structs import replace

from ..core import events as e
from ..core.account import Balance, charge, fits, name_of_limit, thread_of
from ..core.decide import CallModel
from ..core.errors import AccountFull
from ..core.limits import NO_CEILING, Ceiling
from ..core.model import PreparedCall
from .account import Account, find_accounts
from .account_line import Line
from .end_turn import append_decided
from .log import Log
from .request import prepare_call
from .settings import RunSettings


async def begin_model_call(
    log: Log, settings: RunSettings, asked: CallModel
) -> PreparedCall | None:
    """The call that `decide` asked for, once its ModelCalled is in the log.

    None where another event had to come first: a limit, or what the prompt leaves out from here on.
    Raises as `Log.append`; SeqTaken where somebody wrote to the thread while the call waited.
    """
    room: Ceiling = NO_CEILING
    line: Line | None = None
    full: Account | None = None
    balance = Balance()
    fitted = False
    """Whether the call, as large as it is, would fit if nothing were used."""
    try:
        while True:
            seq = log.state.seq  # what the request shows
            prepared = prepare_call(log.state, log.prompt, settings, asked, room)
            if not isinstance(prepared, PreparedCall):
                if full and isinstance(prepared, e.LimitReached):
                    empty = prepare_call(
                        log.state, log.prompt, settings, asked, full.find_ceiling()
                    )
                    ever_fits = fitted or isinstance(empty, PreparedCall)
                    prepared = _limit_of(full, balance, prepared.limit, asked, ever_fits)
                await append_decided(log, (prepared,), seq)
                return None
            accounts = {account.name: account for account in find_accounts(log, settings)}
            called = replace(prepared.event, accounts=tuple(accounts))
            ceilings = {name: account.find_ceiling() for name, account in accounts.items()}
            try:
                # Before it is sent: a crash in flight must leave a mark.
                await log.append(called, after=seq, ceilings=ceilings)
                return PreparedCall(prepared.request, called, prepared.tries)
            except AccountFull as error:
                line = line or Line(log)
                room, full, balance = NO_CEILING, accounts[error.account], error.balance
                fitted = fitted or fits(charge(called, full.name, ceilings[full.name]), Balance())
                if not await line.wait(error):
                    room = ceilings[full.name].less(balance.tokens, balance.usd)
    finally:
        if line:
            await line.leave()


def _limit_of(
    account: Account, balance: Balance, limit: str, asked: CallModel, ever_fits: bool
) -> e.LimitReached:
    """The fact that an account has no room for what comes next.

    `ever_fits` says whether it would be room enough if nothing were used.
    """
    ceiling = account.find_ceiling()
    used: float = balance.tokens
    allowed: float | None = ceiling.tokens
    if limit == "cost_usd":
        used, allowed = balance.usd, ceiling.usd
    # A last word isn't waited for: the turn is over without it. A person can raise the limit of a
    # turn, but nothing helps where a call is too much for a whole budget.
    helps = ever_fits or bool(thread_of(account.name))
    waits = account.waits and asked.purpose != "answer" and helps
    name = name_of_limit(account.name, limit)
    return e.LimitReached(name, used, allowed or 0.0, account.name, waits, account.until)
