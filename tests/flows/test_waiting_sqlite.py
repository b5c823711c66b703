"""Two writers of the server's database, one of which has read before; and a reader that one of them calls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import provide_database_interface, set_database_config
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from flows.serving.waiting_sqlite import WaitingSqlite, use_waiting_sqlite

pytestmark = pytest.mark.prefect


async def written_by_both(config: AioSqliteConfiguration) -> int:
    """How many rows a reader finds that is called within a transaction, when one writer has read, the other has
    written, and the first has written, too."""
    engine = await config.engine()
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE runs (name TEXT)"))
        has_read = asyncio.Event()

        async def late() -> None:
            async with await config.session(engine) as session, config.begin_transaction(session):
                await session.execute(text("SELECT count(*) FROM runs"))
                has_read.set()
                await asyncio.sleep(0.3)
                await session.execute(text("INSERT INTO runs VALUES ('late')"))

        async def early() -> None:
            await has_read.wait()
            async with await config.session(engine) as session, config.begin_transaction(session):
                await session.execute(text("INSERT INTO runs VALUES ('early')"))

        await asyncio.gather(late(), early())
        async with await config.session(engine) as outer, config.begin_transaction(outer):
            await outer.execute(text("INSERT INTO runs VALUES ('not yet')"))
            async with asyncio.timeout(5), await config.session(engine) as session:
                return int((await session.execute(text("SELECT count(*) FROM runs"))).scalar_one())
    finally:
        await engine.dispose()


def test_a_writer_that_has_read_waits_and_one_that_calls_a_reader_does_not(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:  # an open browser of another test keeps a loop of its own in this one
        ours = WaitingSqlite(f"sqlite+aiosqlite:///{tmp_path}/ours.db")
        assert thread.submit(lambda: asyncio.run(written_by_both(ours))).result() == 2
        prefects = AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path}/prefect.db")
        with pytest.raises(OperationalError, match="database is locked"):  # else there is nothing to mend any more
            thread.submit(lambda: asyncio.run(written_by_both(prefects))).result()


def test_the_farms_server_uses_it() -> None:
    before = provide_database_interface().database_config
    try:
        use_waiting_sqlite()
        assert isinstance(provide_database_interface().database_config, WaitingSqlite)
    finally:
        set_database_config(before)
