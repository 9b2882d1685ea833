"""The agent of page_agent.py below another application: `python mounted_agent.py PORT KEY`, at /shop/agents/."""

import sys
from contextlib import asynccontextmanager

import uvicorn
from page_agent import agent
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from treadle import keep_going
from treadle.serve import app


@asynccontextmanager
async def lifespan(_):
    async with keep_going(agent):
        print("open http://", file=sys.stderr, flush=True)
        yield


def say_other(_):
    return PlainTextResponse("another application", 418)


port, key = sys.argv[1:]
site = Starlette(
    routes=[
        Mount("/shop/agents", app(agent, keys={key: "ann"})),
        Route("/{path:path}", say_other, methods=["GET", "POST"]),
    ],
    lifespan=lifespan,
)
uvicorn.run(site, port=int(port), log_level="critical")
