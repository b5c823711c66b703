"""The database of a farm's server, if it is SQLite: writers wait for each other.

Prefect begins most of its transactions as readers. One that then writes, after another one has written, fails at once
with "database is locked", whatever the busy timeout: what it has read is old. Requests are asked again, but events and
heartbeats were lost. A transaction that begins as a writer waits for its turn instead.

Prefect itself begins as a writer where it has met this, by a context variable. That variable also reaches whatever is
called, or started as a task, within the transaction: a session that only reads would then wait for the very
transaction that called it. Here only the transaction itself begins so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.settings import get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from typing_extensions import override


class WaitingSqlite(AioSqliteConfiguration):
    """Every transaction begins as a writer. Reading without a transaction waits for nobody."""

    @override
    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with super().begin_transaction(session, with_for_update=False) as transaction:
            mode = SQLITE_BEGIN_MODE.set("IMMEDIATE")
            try:
                await session.connection()  # BEGIN is sent now
            finally:
                SQLITE_BEGIN_MODE.reset(mode)
            yield transaction


def use_waiting_sqlite() -> None:
    """Let the server of this process use it, if its database is SQLite. Before the server is made."""
    secret = get_current_settings().server.database.connection_url
    url = "" if secret is None else secret.get_secret_value()
    if url.startswith("sqlite"):
        set_database_config(WaitingSqlite(connection_url=url))
