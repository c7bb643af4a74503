"""Tasks beside one another, on trio and on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from syncfsm_adapters.da.http import on_trio

Begin = Callable[[Callable[..., Awaitable[Any]], Any], None]
"""Begin a task: what runs, and what it is given."""


@asynccontextmanager
async def beside() -> AsyncIterator[Begin]:
    """What begins tasks. If it is left all of them have ended; if it is cancelled, or one of them fails, they are."""
    if on_trio():
        import trio

        async with trio.open_nursery() as nursery:
            yield lambda run, given: nursery.start_soon(run, given)
        return
    async with asyncio.TaskGroup() as tasks:

        def begin(run: Callable[..., Awaitable[Any]], given: Any) -> None:
            tasks.create_task(_run(run, given))

        yield begin


async def _run(run: Callable[..., Awaitable[Any]], given: Any) -> None:
    await run(given)
