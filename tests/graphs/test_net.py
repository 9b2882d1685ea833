"""Which graphs are taken: what all orders of events can lead to, tried one by one, is the judge."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from treadle.graphs import END, START, Choice, Edge, Join
from treadle.graphs.net import Net
from treadle.graphs.nodes import Node, sources, targets
from treadle.graphs.parallel import find_parallel_faults

NODES = {f"n{number}": Node(lambda: None, name=f"n{number}") for number in range(6)}


def choose() -> str:
    return "x"


@st.composite
def edges_of_graphs(draw: Any) -> list[Any]:
    """Edges, joins and choices among six nodes; some choices lead back."""
    count = draw(st.integers(2, 6))
    edges: list[Any] = [Edge(START, "n0")]
    for number in range(1, count):
        before = draw(st.lists(st.sampled_from(range(number)), min_size=1, max_size=3, unique=True))
        names = [f"n{each}" for each in before]
        kind = draw(st.sampled_from(["join", "join", "any", "edges", "choice"]))
        if kind in ("join", "any"):
            edges.append(Join(names, f"n{number}", "all" if kind == "join" else "any"))
        elif kind == "edges" or any(isinstance(e, Choice) and e.source == names[0] for e in edges):
            edges += [Edge(name, f"n{number}") for name in names]
        else:
            other = draw(st.sampled_from([END, END, "n0", f"n{max(0, number - 2)}"]))
            ways = {"x": f"n{number}", "y": other}
            edges.append(Choice(names[0], choose, ways))
    left = {name for edge in edges for name in sources(edge)}
    return edges + [Edge(f"n{each}", END) for each in range(count) if f"n{each}" not in left]


def arrows(edges: list[Any]) -> set[tuple[str, str]]:
    """The ways from place to place; a join is one place."""
    found = set()
    for number, edge in enumerate(edges):
        for name in sources(edge):
            between = {Join: f"{number}!", Choice: f"{name}?"}.get(type(edge))
            found |= {(name, between)} if between else set()
            found |= {(between or name, target) for target in targets(edge)}
    return found


def walk(pairs: Any, start: str, without: str = "") -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        place = waiting.pop()
        if place != without and place not in seen:
            seen.add(place)
            waiting += [after for before, after in pairs if before == place]
    return seen


def leads(edges: list[Any], start: str, goal: int) -> bool:
    """Whether a token at this place may come to the join in this round of the loops around it."""
    pairs = arrows(edges)
    ahead = {(u, v) for u, v in pairs if u in walk(pairs, START, without=v)}
    return start != f"{goal}!" and f"{goal}!" in walk(ahead, start)


class TwoAtOnce(Exception):
    """A node would run twice side by side, or come to a join twice."""


class NobodyGoesOn(Exception):
    """Joins wait, and nothing runs."""


def run_all_orders(edges: list[Any]) -> set[str]:
    """All nodes that run in some order. Raises the errors above."""
    ran: set[str] = set()
    first = (frozenset([START]), frozenset())
    seen, waiting = {first}, [first]
    while waiting:
        tokens, came = waiting.pop()
        if came and not tokens:
            raise NobodyGoesOn
        for token in tokens:
            ran.add(token)
            for after in _steps(edges, token, tokens - {token}, came):
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
    return ran


def _steps(edges: list[Any], token: str, tokens: Any, came: Any) -> list[Any]:
    """What may be after one token goes on, with all joins that go on then."""
    if token.endswith("?"):
        [choice] = [e for e in edges if isinstance(e, Choice) and e.source == token[:-1]]
        return [_settle(edges, _put(tokens, each), came) for each in set(choice.to.values())]
    for number, edge in enumerate(edges):
        if token not in sources(edge):
            continue
        if isinstance(edge, Join):
            if (number, token) in came:
                raise TwoAtOnce
            came = came | {(number, token)}
        else:
            tokens = _put(tokens, f"{token}?" if isinstance(edge, Choice) else edge.target)
    return [_settle(edges, tokens, came)]


def _put(tokens: Any, place: str) -> Any:
    if place in tokens:
        raise TwoAtOnce
    return tokens if place == END else tokens | {place}


def _settle(edges: list[Any], tokens: Any, came: Any) -> Any:
    for number in sorted({each for each, _ in came}):
        join = edges[number]
        to_come = [t for t in tokens if leads(edges, t, number)]
        pending = {each for each, _ in came if each != number}
        blocked = to_come or any(leads(edges, f"{each}!", number) for each in pending)
        quick = join.need == "any" and len(join.sources) > 1
        if blocked and not quick:
            continue
        left = frozenset((each, name) for each, name in came if each != number)
        if quick:
            tokens = frozenset(t for t in tokens if t not in to_come)
            left = frozenset(p for p in left if not leads(edges, f"{p[0]}!", number))
        return _settle(edges, _put(tokens, join.target), left)
    return tokens, came


def faults(edges: list[Any]) -> list[str]:
    return list(find_parallel_faults(NODES, edges, {}))


CHAINED = [
    *(Edge(START, "n0"), Edge("n0", "n1"), Edge("n0", "n2"), Edge("n0", "n3")),
    *(Join(["n1", "n2"], "n4"), Join(["n4", "n3"], "n5"), Edge("n5", END)),
]
OPTIONAL = [
    *(Edge(START, "n0"), Edge(START, "n1"), Choice("n0", choose, {"x": "n2", "y": END})),
    *(Join(["n2", "n1"], "n3"), Edge("n3", END)),
]


@pytest.mark.slow
@given(edges_of_graphs())
@example(CHAINED)
@example(OPTIONAL)
@settings(max_examples=200)
def test_a_graph_is_taken_if_and_only_if_no_order_of_events_runs_a_node_twice_at_once(edges):
    found = faults(edges)
    try:
        run_all_orders(edges)
    except TwoAtOnce:
        assert any("a join is missing" in each or "more than once" in each for each in found)
    except NobodyGoesOn:
        assert any("wait for each other" in each for each in found)
    else:
        # A join that stops others could make right what is refused here, in some orders only.
        stops = any(isinstance(edge, Join) and edge.need == "any" for edge in edges)
        assert not found or stops or any("each other" in each for each in found)


@pytest.mark.parametrize("edges", [CHAINED, OPTIONAL])
def test_chained_joins_and_joins_after_a_branch_that_may_be_left_out_are_taken(edges):
    assert faults(edges) == []
    assert run_all_orders(edges) >= {"n3"}


def test_joins_that_wait_for_each_other_are_refused():
    edges = [
        *(Edge(START, "n0"), Edge(START, "n1"), Join(["n0", "n3"], "n2"), Join(["n1", "n4"], "n5")),
        *(Choice("n2", choose, {"x": "n4", "y": END}), Choice("n5", choose, {"x": "n3", "y": END})),
        *(Edge("n3", END), Edge("n4", END)),
    ]
    [fault] = [each for each in faults(edges) if "each other" in each]
    assert fault == "the join of n0, n3 → n2 and the join of n1, n4 → n5 wait for each other"


def test_the_joins_ahead_of_a_branch_that_fails():
    net = Net(
        [
            *(Edge(START, "a"), Edge(START, "b"), Edge(START, "c"), Edge(START, "d")),
            *(Join(["a", "b"], "m"), Join(["m", "c", "d"], "z", 2), Edge("z", END)),
        ]
    )
    ahead = net.ahead("a")
    assert ahead is not None
    assert (ahead.quorums, ahead.lost) == ({5}, {4})
    assert net.ahead("z") is None
    assert net.ahead("c").lost == set()
