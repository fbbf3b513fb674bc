"""`wsfs emulator`: a Worksection account on this machine."""

from __future__ import annotations

import errno
import json
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import trio

from wsfs.cli.errors import UserError
from wsfs.emulator import answers
from wsfs.emulator import faults as known
from wsfs.emulator.account import Account
from wsfs.emulator.demo import demo_account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.gate import SCHEMES
from wsfs.emulator.scale import scaled_account, sized_account
from wsfs.emulator.server import serve


def _scale(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    if value is None:
        return None
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or min(numbers) < 0:
        raise click.BadParameter("give three numbers: projects, tasks of each, files of each, as 50,200,2")
    return numbers


def _groups(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[tuple[str, int, int]]:
    groups = []
    for value in values:
        name, *numbers = value.split(",")
        if not name or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise click.BadParameter(
                "give a task's name, a number of files and their bytes, as videos,3,1000000"
            )
        groups.append((name, int(numbers[0]), int(numbers[1])))
    return groups


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Requests a second; 0: no limit.",
)
@click.option(
    "--scale",
    metavar="P,T,F",
    callback=_scale,
    help="In place of the demo account: P projects × T tasks × F files.",
)
@click.option(
    "--commented",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="With --scale: the share of tasks that have a comment with a file.",
)
@click.option(
    "--files",
    "groups",
    metavar="TASK,COUNT,BYTES",
    multiple=True,
    callback=_groups,
    help="In place of the demo account: a project with this task, and COUNT files of BYTES in it. May be repeated.",
)
@click.option("--no-ranges", is_flag=True, help="Downloads ignore Range.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[@SHARE][:N][:ACTION[:COUNT]]",
    help="What goes wrong: 'reset:download:2', 'late-commit:5', '500@0.1'; 'list' shows all. May be repeated.",
)
@click.option(
    "--auth",
    type=click.Choice(SCHEMES),
    multiple=True,
    help="Accept this way of authorisation; may be repeated. All three by default.",
)
@click.option(
    "--throttle",
    type=click.Choice(["429", "429-retry-after", "429-json"]),
    default="429",
    show_default=True,
    help="How 'Too many requests' is said.",
)
@click.option(
    "--quirk",
    "variants",
    type=click.Choice(list(answers.VARIANTS)),
    multiple=True,
    help="Answer in the other way where the API's documentation leaves it open. May be repeated.",
)
@click.option("--seed", type=int, default=0, help="Another key, token and contents.")
@click.option("--api-key", envvar="WSFS_EMULATOR_API_KEY", help="The API key, in place of the seed's.")
@click.option(
    "--tls-cert",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Serve HTTPS with this certificate (PEM).",
)
@click.option(
    "--tls-key", type=click.Path(dir_okay=False, path_type=Path), help="The private key of --tls-cert (PEM)."
)
@click.option("--json", "as_json", is_flag=True, help="Say address, key and token as one line of JSON.")
def emulator(
    port: int,
    rate: float,
    scale: list[int] | None,
    commented: float,
    groups: list[tuple[str, int, int]],
    no_ranges: bool,
    faults: Sequence[str],
    auth: Sequence[str],
    throttle: Any,
    variants: Sequence[str],
    seed: int,
    api_key: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    as_json: bool,
) -> None:
    """Run a Worksection account on this machine, until Ctrl-C.

    It listens on 127.0.0.1 only and holds a demo account of six projects, or a synthetic one with --scale or
    --files. What is uploaded to it is gone when it ends. Mount it with the address, key or token that it prints.
    """
    if "list" in faults:
        for name, kind in known.KINDS.items():
            click.echo(f"{name + (':N' if kind.value else ''):18} {kind.does} ({kind.actions})")
        return
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("give --tls-cert and --tls-key together")
    tls = (tls_cert, tls_key) if tls_cert is not None and tls_key is not None else None
    account: Account
    if groups:
        account = sized_account(groups, seed=seed)
    elif scale is not None:
        account = scaled_account(*scale, commented=commented, seed=seed)
    else:
        account = demo_account(seed=seed)
    running = Emulator(
        account,
        rate=rate,
        ranges=not no_ranges,
        auth=auth or SCHEMES,
        throttle=throttle,
        quirks=answers.quirks(variants),
        seed=seed,
        api_key=api_key,
    )
    try:
        running.faults.armed += [known.parse(text) for text in faults]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    try:
        _run(running, port, tls, as_json)
    finally:
        account.close()


def _run(running: Emulator, port: int, tls: tuple[Path, Path] | None, as_json: bool) -> None:
    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                await nursery.start(
                    lambda task_status: serve(running, port=port, tls=tls, task_status=task_status)
                )
                _announce(running, as_json)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    except* OSError as group:
        error = _first(group)
        reason = (error.strerror or str(error)).lower()
        if isinstance(error, ssl.SSLError) or error.errno == errno.ENOENT:
            raise UserError(f"the certificate or its key can't be used: {reason}") from None
        raise UserError(
            f"the emulator can't listen on 127.0.0.1:{port}: {reason}; choose another port with --port"
        ) from None


def _first(error: BaseException) -> OSError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, OSError)
    return error


def _announce(running: Emulator, as_json: bool) -> None:
    if as_json:
        said = {"url": running.url, "api_key": running.api_key, "token": running.token}
        said |= {"client_id": running.oauth.client_id, "client_secret": running.oauth.client_secret}
        click.echo(json.dumps(said))
        return
    click.echo(f"Worksection account at {running.url}")
    click.echo(f"  API key     {running.api_key}")
    click.echo(f"  user token  {running.token}")
    click.echo(f"  OAuth2      client id {running.oauth.client_id}, secret {running.oauth.client_secret}")
    click.echo("Ctrl-C ends it.")
