"""Pending: a build runs for an hour elsewhere; the turn waits in the log, and no process does."""

import asyncio

from treadle import Agent, Context, Pending, tool

jobs: dict[str, str] = {}
"""The build service, as far as this example needs one: what each job has come to."""


def ask_service(handle: dict[str, str], ctx: Context) -> str:
    """What became of the job: its result, or that it still runs."""
    if jobs[handle["deploy"]] == "running":
        raise Pending(handle, due=60)  # ask again in a minute
    return jobs[handle["deploy"]]


@tool
async def build(branch: str, ctx: Context) -> str:
    """Build a branch.

    Args:
        branch: Its name.
    """
    handle = {"build": f"{branch}-{ctx.idempotency_key[:6]}"}
    await ctx.note(handle)  # before it begins: now no crash loses its name, and no post comes early
    jobs[handle["build"]] = "running"
    raise Pending(handle, due=3600)  # the service posts the result; after an hour it has failed


@tool(poll=ask_service)
async def deploy(target: str, ctx: Context) -> str:
    """Deploy what was built.

    Args:
        target: Where to.
    """
    jobs[target] = "running"
    raise Pending({"deploy": target}, due=0.1)  # nobody posts: the service is asked


agent = Agent("You ship software: build the branch, then deploy it.", tools=[build, deploy])


async def main() -> None:
    result = await agent.run("Ship main to blue.")
    print(f"{result.status}: {result.waiting[0].name}")
    [job] = jobs
    await agent.settle({"build": job}, "14 tests passed", by="ci")  # as a webhook does, anywhere
    result = await agent.resume(result.thread_id)
    print(result.reason)
    jobs["blue"] = "deployed"
    await asyncio.sleep(0.2)
    for thread in await agent.due():  # as `keep_going` and `treadle resume --all` do
        result = await agent.resume(thread)
    print(result.status, result.answer)


if __name__ == "__main__":
    asyncio.run(main())
