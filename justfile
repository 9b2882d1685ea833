# What a developer runs; `just` alone lists it.

default:
    @just --list

# Lint, format and types.
check:
    ruff check
    ruff format --check
    mypy
    pyright

# The tests, or those at these places.
test *paths:
    python -m pytest {{ paths }}

# Search at random for what breaks the property tests: `just fuzz 10m`, `just fuzz 90 tests/crash`.
fuzz duration="10m" *paths:
    python tests/fuzz.py {{ duration }} {{ paths }}

# Write what the documentation repeats of the code: the events, the tables of lines.
docs:
    python docs/generate.py
