"""What a choice of a graph said, in words. Pure."""

import json


def describe_choice(call_id: str, content: str) -> str:
    """Which way it went and why, where this call is a choice; any other result as it is."""
    if ".choice" not in call_id:
        return content
    try:
        said = json.loads(content)
        way = f"{said['way']} → {said['to']}"
        return f"{way}, because {said['why']}" if said["why"] else way
    except (ValueError, TypeError, KeyError):  # somebody else's call
        return content
