"""`ritm objects`: everything in an object store as one file, and back, or in another store."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def objects() -> None:
    """Pack all objects of a bucket or folder into one file, and unpack them; copy them from one to the other.

    \b
    ritm objects pack s3://bucket > objects.tar
    ritm objects unpack s3://bucket < objects.tar
    ritm objects copy photographs s3://bucket/images
    """


@objects.command()
@click.argument("source", metavar="URI")
def pack(source: str) -> None:
    """Write everything at URI (s3://bucket/prefix or a folder) to standard output."""
    from ritm_ops.object_store import open_store
    from ritm_ops.object_store.packing import pack as pack_objects

    if sys.stdout.isatty():
        raise click.UsageError("Say where to: ritm objects pack URI > FILE")
    count = pack_objects(open_store(source), sys.stdout.buffer)
    click.echo(f"{count} objects of {source} are packed.", err=True)


@objects.command()
@click.argument("target", metavar="URI")
@click.option("--make-bucket", is_flag=True, help="Make the bucket if it is not there.")
def unpack(target: str, make_bucket: bool) -> None:
    """Write everything that standard input holds to URI; objects of other names stay."""
    from ritm_ops.object_store import open_store
    from ritm_ops.object_store.packing import unpack as unpack_objects

    store = open_store(target)
    if make_bucket and target.startswith("s3://"):
        from ritm_ops.object_store.s3 import S3Store

        if isinstance(store, S3Store) and not store.has_bucket():
            store.make_bucket()
    count = unpack_objects(sys.stdin.buffer, store)
    click.echo(f"{count} objects are at {target} now.", err=True)


@objects.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Write everything at FROM (s3://bucket/prefix or a folder) to TO; objects of other names stay."""
    from ritm_ops.object_store import open_store
    from ritm_ops.object_store.packing import copy as copy_objects

    if "://" not in source and not Path(source).is_dir():
        raise click.UsageError(f"{source} is no folder.")
    count = copy_objects(open_store(source), open_store(target))
    click.echo(f"{count} objects are at {target} now.", err=True)
