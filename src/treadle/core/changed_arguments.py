"""Which events change the arguments of a call, for readers of records. Pure."""

from collections.abc import Mapping

from . import events as e


def changed_arguments(event: e.Event) -> str | None:
    """What the event's call is to run with, as a person or a rule changes that; None: as it was."""
    match event:
        case e.ApprovalGiven(allowed=True, arguments=changed):
            return changed
        case e.Checked(what="call", content=str(changed)):
            return changed
    return None


def changed_call(calls: Mapping[str, e.Call], event: e.Event) -> dict[str, e.Call]:
    """Of these calls by id, the one whose arguments the event changes, with those; often none."""
    changed = changed_arguments(event)
    call = calls.get(getattr(event, "call_id", ""))
    if changed is None or call is None:
        return {}
    return {call.id: e.Call(call.id, call.name, changed)}
