"""Permissions in words: which calls, how long, by whom, how they are taken back."""

from treadle.core import events as e
from treadle.core.approvals import Permission
from treadle.observe.permissions import describe_approval, describe_permission


def allowed(patterns, lasts="turn"):
    return Permission("c1", "write", e.Always(patterns, lasts), "ann", "clerk")


def test_a_permission_says_all_that_a_person_must_know_of_it():
    assert describe_permission(allowed({})) == (
        "write with any arguments, until the turn ends; allowed for agent clerk by ann, and taken"
        " back by refusing c1"
    )
    assert describe_permission(allowed({"path": "docs/*", "n": "5"}, "thread"), "t.c2") == (
        "write where path is docs/* and n is 5, for the rest of the thread in thread t.c2; allowed"
        " for agent clerk by ann, and taken back by refusing c1"
    )


def test_a_refusal_of_what_was_allowed_takes_it_back():
    refused = e.ApprovalGiven("c1", False, "bob")
    assert describe_approval(refused, "write", revokes=True) == (
        "✗ bob takes back what c1 write allowed beforehand"
    )
    assert describe_approval(refused, "write", revokes=False) == "✗ c1 write denied by bob"
