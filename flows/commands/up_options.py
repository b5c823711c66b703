"""The options of `farm up`. No prefect here."""

from __future__ import annotations

import argparse
import re

from flows.farm_home.farm_lock import FarmPart

BOTH = tuple(FarmPart)


def add_up_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    add_only(parser, "start the server or the worker alone")
    parser.add_argument(
        "--backend", metavar="NAME", default="", help="of films that name none: wan for the models, animatic"
    )
    parser.add_argument("--name", metavar="NAME", type=_worker_name, help="of the worker (default: 'farm on <host>')")
    parser.add_argument(
        "--listen", metavar="ADDRESS", default="", help="let other machines reach the server at this address"
    )
    parser.add_argument(
        "--known-as",
        metavar="HOST",
        type=_host_name,
        action="append",
        default=[],
        help="a name by which other machines call the server; others are refused",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--new-password", action="store_true", help="make a new password; the farm must not run")
    instead.add_argument("--deploy", action="store_true", help="tell the server of PREFECT_API_URL what a farm is")


def add_only(parser: argparse.ArgumentParser, what: str) -> None:
    """`--only server`: `arguments.parts` is then that part alone."""
    parser.add_argument(
        "--only", dest="parts", type=_part, default=BOTH, metavar="PART", help=f"{what}: server or worker"
    )


def _worker_name(text: str) -> str:
    """Prefect takes it into addresses. Raises ArgumentTypeError."""
    if not text.strip() or not text.isprintable() or set("/%") & set(text):
        raise argparse.ArgumentTypeError(f"invalid name {text[:40]!r}; allowed: one line without / and %")
    return text


def _host_name(text: str) -> str:
    """It stands in headers. Raises ArgumentTypeError."""
    if re.fullmatch(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]", text) is None:
        raise argparse.ArgumentTypeError(
            f"invalid host {text[:40]!r}; allowed: farm.example.net, 10.0.0.5 or [fd00::5]"
        )
    return text


def _part(text: str) -> tuple[FarmPart, ...]:
    """Raises ArgumentTypeError."""
    try:
        return (FarmPart(text),)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid part {text[:40]!r}; allowed: server, worker") from None
