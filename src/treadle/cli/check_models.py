"""`treadle models check`: what each model takes, by one tiny request each."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.model import Model
from ..core.visible import visible_line
from ..models.choose import list_choice, make_models
from ..models.model_check import Finding, check_model, estimate_usd
from ..observe.amounts import format_seconds
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from .load_model import load_model
from .model_settings import choose_models, parse_model_options
from .parameters import make_flag, make_option
from .tables import format_table
from .terminal import (
    Screen,
    is_interactive,
    print_as_json,
    print_line,
    showing_warnings,
)

ANSWERED = 0
FAILED = 1


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    model: list[str] | None = make_option(
        "MODEL",
        "Such as gpt-5.4-mini or local; repeatable. Default: the one that would be used.",
        short="-m",
    )
    option: list[str] | None = make_option(
        "KEY=VALUE", "A setting of the model; repeatable.", short="-o"
    )
    yes: bool = make_flag("Don't ask before it costs.", short="-y")
    json: bool = make_flag("As JSON Lines, one a request.")


def check(settings: CheckOptions) -> int:
    """Ask a model for a text, a tool call, what a picture shows and JSON: what does it take?

    Exit code 1 if a model gave no text at all.
    """
    screen = Screen()
    models = [_make(name, settings) for name in list_choice(choose_models(settings.model))]
    if not _agree(models, settings, screen):
        screen.note("nothing was asked", "dim")
        return FAILED
    found: list[Finding] = []
    with showing_warnings(screen):
        for model in models:
            asked = load_model(Agent(model=model), screen).run_settings.model
            own = run_sync(_find(asked, screen))
            found += own
            _print(own, settings)
    if not settings.json:
        screen.note(_describe_cost(found), "dim")
    answered = {each.model for each in found if each.probe == "text" and each.outcome == "taken"}
    return ANSWERED if all(model.name in answered for model in models) else FAILED


def _make(choice: str | Model, settings: CheckOptions) -> Model:
    model = make_models(choice)[0]
    if not settings.option:
        return model
    from ..models.settings import with_settings

    return with_settings(model, parse_model_options(settings.option))


def _agree(models: Sequence[Model], settings: CheckOptions, screen: Screen) -> bool:
    """Say what it may cost; on a terminal, whether the person agrees to that."""
    costs = {model.name: estimate_usd(model) for model in models}
    for name, cost in costs.items():
        price = "no price is known for it" if cost is None else f"at most ${cost:.4f}"
        if cost == 0.0:
            price = "free of charge"
        screen.note(f"4 tiny requests to {visible_line(name, 100)}: {price}", "dim")
    if settings.yes or not is_interactive() or not any(cost != 0.0 for cost in costs.values()):
        return True
    return screen.read_line("Ask? [y]es, [n]o: ", "bold").strip().lower() in ("y", "yes")


async def _find(model: Model, screen: Screen) -> list[Finding]:
    found: list[Finding] = []
    screen.notice(f"{visible_line(model.name, 100)}: asking…")
    async for finding in check_model(model):
        found.append(finding)
        screen.notice(f"{visible_line(model.name, 100)}: {finding.probe} {finding.outcome}")
    screen.end_line()
    return found


def _print(found: Sequence[Finding], settings: CheckOptions) -> None:
    if settings.json:
        for finding in found:
            print_as_json(finding)
        return
    print_line(visible_line(found[0].model, 200), "bold")
    print_line(format_table([_row(finding) for finding in found]))


def _row(finding: Finding) -> tuple[str, str, str]:
    said = [finding.words] if finding.words else []
    if finding.latency_s is not None:
        said.append(_describe_times(finding))
    if finding.usage:
        said.append(_describe_usage(finding))
    return f"  {finding.probe}", finding.outcome, "; ".join(said)


def _describe_times(finding: Finding) -> str:
    whole = format_seconds(finding.latency_s)
    if finding.first_token_s is None:
        return f"after {whole}, not in pieces"
    pieces = f"{finding.pieces} pieces" if finding.pieces > 1 else "one piece"
    return (
        f"first token after {format_seconds(finding.first_token_s)}, all after {whole}, in {pieces}"
    )


def _describe_usage(finding: Finding) -> str:
    usage = finding.usage
    assert usage
    if usage.estimated:
        return "it sends no counts of tokens: they are estimated"
    counts = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    if usage.reasoning_tokens:
        counts += f", {usage.reasoning_tokens:,} of them reasoning"
    elif finding.thinks:
        counts += ", with thinking that is shown"
    if usage.cached_tokens:
        counts += f", {usage.cached_tokens:,} from the cache"
    return counts


def _describe_cost(found: Sequence[Finding]) -> str:
    costs = [finding.cost_usd for finding in found]
    known = sum(cost for cost in costs if cost is not None)
    if not known and None in costs:
        return "what it cost isn't known"
    if None in costs:
        return f"it cost ${known:.4f} and what has no known price"
    return f"it cost ${known:.4f}"
