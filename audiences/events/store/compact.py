"""Putting a store in order again, without reading the inputs: by who owns what now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.buckets import Scaled
from audiences.events.encoding import decoded
from audiences.events.scaling import unscaled
from audiences.events.store.base import IDENTITIES, SOURCE, TEXTS, Dictionary, StoredForm, bucket_forms, write_bucket
from audiences.events.store.build import no_homes
from audiences.events.store.files import Files
from audiences.events.store.homes import bucket_of
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Bucket, Generation, StoreManifest, commit, free_name
from audiences.events.store.message_ids import index_part, write_index
from audiences.events.store.pieces import Spill, together
from audiences.events.store.replacing import COMPANIONS, Replaced, calls_together, companions_together, seen_together
from audiences.events.store.working import working

_SEED: Final = 17


def compact(files: Files, folder: Path, manifest: StoreManifest, kept: KeptUniverse, limits: Limits) -> StoreManifest:
    """Writes one base with the rows of all generations, and makes it the newest store."""
    base = _written(files, folder, free_name(folder, "base"), manifest.generations, manifest, kept, limits)
    found = [file.model_copy(update={"generation": base.name}) for file in manifest.files]
    return commit(folder, manifest.model_copy(update={"base": base, "later": (), "files": tuple(found)}))


def gather(files: Files, folder: Path, manifest: StoreManifest, kept: KeptUniverse, limits: Limits) -> StoreManifest:
    """Writes one generation with the rows of all that came later, and makes that the newest store."""
    later = _written(files, folder, free_name(folder, "later"), manifest.later, manifest, kept, limits)
    found = [
        file if file.generation == manifest.base.name else file.model_copy(update={"generation": later.name})
        for file in manifest.files
    ]
    return commit(folder, manifest.model_copy(update={"later": (later,), "files": tuple(found)}))


def _written(
    files: Files,
    folder: Path,
    name: str,
    old: Sequence[Generation],
    manifest: StoreManifest,
    kept: KeptUniverse,
    limits: Limits,
) -> Generation:
    """One generation of several."""
    cut = limits.cut(sum(generation.rows for generation in old))
    identities = _identities(files, old, kept, cut.buckets)
    buckets, homes = [], [no_homes()]
    replaced = Replaced(files, old)
    with working(folder, in_memory=cut.buckets == 1) as spill:
        for generation in old:
            for rows in _rows(files, manifest, generation, replaced):
                numbers = identities.select("identity", "number")
                spill.share("rows", rows.join(numbers, on="identity", maintain_order="left"), "number")
        for number in range(cut.buckets):
            here = identities.filter(pl.col("number") == number)
            bucket, own = _bucket(files, f"{name}/bucket-{number:03}", spill, number, here, manifest)
            buckets.append(bucket)
            homes.append(own)
    home = pl.when(pl.col("home") != pl.col("identity")).then("home").alias("home")
    files.write(f"{name}/identities", identities.with_columns(home).select(list(IDENTITIES)))
    files.write(f"{name}/homes", pl.concat(homes).to_frame())
    files.write(f"{name}/companions", companions_together(files, old).sort(list(COMPANIONS)[:3], nulls_last=True))
    order = ["identity", "timestamp", "message_id", "content"]
    files.write(f"{name}/calls", calls_together(files, old).sort(order, nulls_last=True))
    indexes = tuple(_indexes(files, name, manifest.base.parts, old))
    return Generation(name=name, buckets=tuple(buckets), parts=manifest.base.parts, indexes=indexes)


def _identities(files: Files, old: Sequence[Generation], kept: KeptUniverse, buckets: int) -> pl.DataFrame:
    """All identities with their homes as of now, sorted by bucket (``number``) and identity."""
    merged = seen_together(files, old)
    home = kept.owners(merged.get_column("identity")).profiles
    merged = merged.with_columns(home=home, number=bucket_of(home, buckets))
    return merged.select(*IDENTITIES, "number").sort("number", "identity")


def _rows(files: Files, manifest: StoreManifest, generation: Generation, replaced: Replaced) -> Iterator[pl.DataFrame]:
    """The rows of each bucket of a generation, with names and identities in place of numbers."""
    covered = pl.Enum(manifest.coverage.events)
    every = files.mapped(f"{generation.name}/identities").get_column("identity")
    first = 0
    for number, bucket in enumerate(generation.buckets):
        who = every.slice(first, bucket.identities)
        first += bucket.identities
        if not bucket.rows:
            continue
        name = f"{generation.name}/bucket-{number:03}"
        frame = files.mapped(name)
        forms = bucket_forms(files, name)
        values = [column for column in frame.columns if ":" in column or column == SOURCE]
        columns = [_simple(frame.get_column(column), forms.get(column)) for column in values]
        source = columns.pop(values.index(SOURCE))
        texts = files.scan_apart(f"{name}-texts").select(TEXTS).collect()
        event = frame.get_column("event").cast(pl.UInt32).cat.to(covered)
        identity = who.gather(frame.get_column("identity"))
        keys = frame.select("timestamp", "place").with_columns(event=event, identity=identity)
        rows = keys.hstack(texts).with_columns(source.cast(pl.String).alias(SOURCE), *columns)
        gone = replaced.of(generation.name, number)
        yield rows if gone is None else rows.filter(~pl.int_range(pl.len()).is_in(gone.implode()))


def _simple(column: pl.Series, form: StoredForm | None) -> pl.Series:
    """A coded column as one of a simple type where that says the same, else of values."""
    match form:
        case None:
            return column
        case Scaled(places=0):
            return column.cast(pl.Int64)
        case Scaled(places=places):
            return unscaled(column.cast(pl.Int64), places).alias(column.name)
        case Dictionary():
            whole = form.whole()
            codes = column.cast(pl.UInt32)
            if whole.only_strings:
                return whole.texts.gather(codes).alias(column.name)
            return decoded(codes, whole)


def _bucket(
    files: Files, name: str, spill: Spill, number: int, identities: pl.DataFrame, manifest: StoreManifest
) -> tuple[Bucket, pl.Series]:
    frames = spill.take("rows", number)
    if not frames:
        return Bucket(identities=identities.height), no_homes()
    rows = together(frames)
    numbers = _numbers_of(rows.get_column("identity"), identities.get_column("identity"))
    columns = rows.with_columns(numbers.alias("identity")).to_dict()
    del rows, frames
    written = write_bucket(files, name, columns, identities, manifest.coverage.events)
    return written.bucket(identities), written.homes


def _numbers_of(texts: pl.Series, known: pl.Series) -> pl.Series:
    """The place of each text among the known ones (UInt32), which are different, and of which each text is one."""
    hashes = known.hash(seed=_SEED)
    on, these = ("hash", texts.hash(seed=_SEED)) if hashes.n_unique() == len(hashes) else ("text", texts)
    numbers = pl.DataFrame({"hash": hashes, "text": known}).select(on).with_row_index("number")
    return these.alias(on).to_frame().join(numbers, on=on, how="left", maintain_order="left").get_column("number")


def _indexes(files: Files, name: str, parts: int, old: Sequence[Generation]) -> Iterator[str]:
    """Writes the parts of one index of all message ids."""
    for part in range(parts):
        keys = index_part(files.root, old, part, parts)
        if keys.height:
            title = f"{name}/index-{part:03}.arrow"
            write_index(files.root / title, keys)
            yield title
