"""`python -m flows.serving.server DESCRIPTOR… [--known-as NAME]…`: Prefect's server and the outputs behind the gate of
a farm, on the sockets that it inherits.

Its settings are Prefect's own.
"""

from __future__ import annotations

import argparse
import os
import sys

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from flows.serving.gate import Gate
from flows.serving.listening import inherited
from flows.serving.outputs_server import OutputsServer
from flows.serving.served_stores import ServedStores
from flows.serving.waiting_sqlite import use_waiting_sqlite


def main() -> int:
    """Serve until a signal; 2 where no password is asked for."""
    parser = argparse.ArgumentParser(prog="python -m flows.serving.server")
    parser.add_argument("descriptors", nargs="+")
    parser.add_argument("--known-as", action="append", default=[])
    asked = parser.parse_args()
    os.umask(0o077)  # all that it writes is the farm's
    settings = get_current_settings().server
    if settings.api.auth_string is None:
        sys.stderr.write("PREFECT_SERVER_API_AUTH_STRING: is not set; a farm's server asks for a password\n")
        return 2
    use_waiting_sqlite()
    stores = ServedStores(get_current_settings().home)
    password = settings.api.auth_string.get_secret_value()
    served = OutputsServer(create_app(final=True), password, stores)
    config = uvicorn.Config(  # as `prefect server start` has it
        Gate(served, settings.api.port, asked.known_as),
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
        proxy_headers=False,
    )
    uvicorn.Server(config).run(inherited(asked.descriptors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
