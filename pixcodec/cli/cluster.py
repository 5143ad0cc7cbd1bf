"""``pixcodec encode --cluster``: many images on the workers of a Dask cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from pixcodec.batch.outcome import EXIT_FAILED, EXIT_NOTHING_TO_DO
from pixcodec.cli.terminal import say

if TYPE_CHECKING:
    from distributed import Client

    from pixcodec.cluster.manifest import Item
    from pixcodec.cluster.run import Summary

Command = TypeVar("Command", bound=Callable[..., Any])

SCHEME = "dask://"
LOCAL = "local"
_ANSWER_SECONDS = 5  # for a scheduler
_SHOWN_ERRORS = 20  # the results hold all of them
_WITHOUT_MEANING = (  # parameters of the command that a run on a cluster does not have
    *("remove", "device", "model", "order", "no_verify", "jobs", "threads", "dry_run", "skip_existing"),
)
_SETTINGS = ("effort", "strip", "pixels", "max_pixels", "force")  # of ClusterSettings
_STATUSES = ("done", "skipped", "failed")


class Cluster(NamedTuple):
    """What was given on the command line for a run on a cluster."""

    cluster: str | None
    manifest: str | None
    results: str | None
    names: tuple[str, ...]
    output_dir: str | None
    keep_suffix: bool
    recursive: bool
    as_json: bool
    quiet: bool


def cluster_options(command: Command) -> Command:
    """Add the options for a run on a cluster."""
    for option in (
        click.option(
            "--results", metavar="URL", help="Folder of Parquet files: what came of each image. [--cluster]"
        ),
        click.option(
            "--manifest", metavar="URL", help="Parquet file with the columns source and target. [--cluster]"
        ),
        click.option(
            "--cluster",
            metavar="dask://HOST:PORT",
            help="Encode on a Dask cluster; dask://local:N starts N workers here.",
        ),
    ):
        command = option(command)
    return command


def encode_on_cluster(context: click.Context) -> None:
    """Run ``pixcodec encode --cluster``.

    Parameters
    ----------
    context : click.Context
        Of the command.

    Raises
    ------
    click.UsageError
    click.exceptions.Exit
    """
    given = Cluster(*(context.params[name] for name in Cluster._fields))
    _check(given, context)
    try:
        from pixcodec.cluster import ClusterSettings, encode_all
    except ImportError as error:
        raise click.UsageError(f"--cluster needs {error.name}: pip install 'pixcodec[cluster]'") from error
    start = time.perf_counter()
    errors = 0

    def report(row: dict[str, Any]) -> None:
        nonlocal errors
        if given.as_json:
            click.echo(json.dumps(row, default=str))
        if row["status"] == "failed":
            errors += 1
            if errors <= _SHOWN_ERRORS:
                say(f"error: {row['error']}")

    with ExitStack() as stack:
        items = _items(given)
        client = _client(given.cluster or "", stack, quiet=given.quiet)
        chosen = ClusterSettings(**{name: context.params[name] for name in _SETTINGS})
        assert given.results is not None
        summary = encode_all(client, items, given.results, chosen, report=report)
    _conclude(given, summary, time.perf_counter() - start)


def _check(given: Cluster, context: click.Context) -> None:
    if given.cluster is None:
        raise click.UsageError("--manifest and --results go with --cluster")
    address = given.cluster.removeprefix(SCHEME)
    if address == given.cluster or not address:
        raise click.UsageError(f"--cluster is {given.cluster}, expected {SCHEME}HOST:PORT or {SCHEME}{LOCAL}")
    for option in context.command.params:
        by_hand = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
        if option.name in _WITHOUT_MEANING and by_hand:
            raise click.UsageError(f"{option.opts[0]} does not go with --cluster")
    if given.results is None:
        raise click.UsageError("--cluster needs --results: a folder for what came of each image")
    if given.manifest is not None and (given.names or given.output_dir):
        raise click.UsageError(
            "--manifest says which images and where they go: leave out IN and --output-dir"
        )
    if given.manifest is None and not (given.names and given.output_dir):
        raise click.UsageError("--cluster needs IN and --output-dir, or --manifest")


def _items(given: Cluster) -> Iterable[Item]:
    from pixcodec.cluster import manifest_of, read_manifest

    if given.manifest is not None:
        return read_manifest(given.manifest)
    assert given.output_dir is not None
    return manifest_of(
        given.names, given.output_dir, recursive=given.recursive, keep_suffix=given.keep_suffix
    )


def _client(url: str, stack: ExitStack, *, quiet: bool) -> Client:
    """Return a client of the cluster, which is closed with the stack."""
    from distributed import Client, LocalCluster

    address = url.removeprefix(SCHEME)
    host, _, count = address.partition(":")
    if host != LOCAL:
        try:
            return stack.enter_context(Client(f"tcp://{address}", timeout=_ANSWER_SECONDS))
        except OSError as error:
            raise click.ClickException(f"{url}: no Dask scheduler answers there ({error})") from error
    if count and not (count.isdigit() and int(count)):
        raise click.UsageError(f"--cluster is {url}, expected {SCHEME}{LOCAL} or {SCHEME}{LOCAL}:N")
    workers = int(count) if count else None
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
    stack.enter_context(cluster)
    if not quiet:
        say(f"dashboard: {cluster.dashboard_link}")
    return stack.enter_context(Client(cluster))


def _conclude(given: Cluster, summary: Summary, seconds: float) -> None:
    """Print what came of a run, and exit with the status of the command unless it is 0."""
    counts = summary.counts
    total = sum(counts.values())
    if not given.quiet:
        words = ", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])
        before, after = summary.input_size_bytes, summary.output_size_bytes
        sizes = f", {before} -> {after} bytes" if after else ""
        say(f"{total} images: {words or 'nothing to do'}{sizes}, {seconds:.1f} s; results in {given.results}")
    if counts["failed"]:
        raise click.exceptions.Exit(EXIT_FAILED)
    if counts["skipped"] == total:
        raise click.exceptions.Exit(EXIT_NOTHING_TO_DO)
