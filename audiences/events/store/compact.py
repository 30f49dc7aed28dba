"""Putting a store in order again: all generations as one base, by who owns what now, without reading the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import decoded
from audiences.events.scaling import unscaled
from audiences.events.store.base import IDENTITIES, read_forms, write_bucket
from audiences.events.store.files import Files
from audiences.events.store.homes import bucket_of, own_home
from audiences.events.store.layout import Known
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Bucket, Generation, StoreManifest, commit, free_name
from audiences.events.store.message_ids import index_part, write_index
from audiences.events.store.pieces import Spill, together
from audiences.events.store.replacing import COMPANIONS, Replaced
from audiences.events.store.working import working
from audiences.events.universe import Universe

_SEED: Final = 17


def compact(
    files: Files, folder: Path, manifest: StoreManifest, known: Known, universe: Universe, limits: Limits
) -> StoreManifest:
    """Writes one base with the rows of all generations, and makes it the newest store."""
    name = free_name(folder, "base")
    generations, replaced = manifest.generations, Replaced(files, manifest.generations)
    cut = limits.cut(sum(generation.rows for generation in generations))
    identities = _identities(known, universe, cut.buckets)
    buckets = []
    with working(folder, in_memory=cut.buckets == 1) as spill:
        for place, generation in enumerate(generations):
            for rows in _rows(files, manifest, generation, known.identities[place], replaced):
                numbers = identities.select("identity", "number")
                spill.share("rows", rows.join(numbers, on="identity", maintain_order="left"), "number")
        for number in range(cut.buckets):
            here = identities.filter(pl.col("number") == number)
            buckets.append(_bucket(files, f"{name}/bucket-{number:03}", spill, number, here, manifest))
    home = pl.when(pl.col("home") != pl.col("identity")).then("home").alias("home")
    files.write(f"{name}/identities", identities.with_columns(home).select(list(IDENTITIES)))
    files.write(f"{name}/companions", known.companions.sort(list(COMPANIONS)[:3], nulls_last=True))
    order = ["identity", "timestamp", "message_id", "content"]
    files.write(f"{name}/calls", known.calls.sort(order, nulls_last=True))
    base = Generation(
        name=name,
        buckets=tuple(buckets),
        parts=manifest.base.parts,
        indexes=tuple(_indexes(files, name, manifest.base.parts, generations)),
    )
    return commit(folder, manifest.model_copy(update={"base": base, "later": ()}))


def _identities(known: Known, universe: Universe, buckets: int) -> pl.DataFrame:
    """All identities with their homes as of now, sorted by bucket (``number``) and identity."""
    own = own_home(pl.col("identity"))
    held = pl.when(pl.col("home") != "").then("home")
    merged = (
        pl.concat(known.identities)
        .group_by("identity")
        .agg(held.drop_nulls().first())
        .join(known.identified, on="identity")
        .join(universe.owned, on="identity", how="left")
        .with_columns(home=pl.coalesce("profile", "home", own))
    )
    number = bucket_of(merged.get_column("home"), buckets)
    return merged.select(list(IDENTITIES)).with_columns(number=number).sort("number", "identity")


def _rows(
    files: Files, manifest: StoreManifest, generation: Generation, identities: pl.DataFrame, replaced: Replaced
) -> Iterator[pl.DataFrame]:
    """The rows of each bucket of a generation, with names and identities in place of numbers."""
    covered = pl.Enum(manifest.coverage.events)
    for number, (first, end) in enumerate(zip(generation.offsets, generation.offsets[1:], strict=False)):
        if not generation.buckets[number].rows:
            continue
        name = f"{generation.name}/bucket-{number:03}"
        frame = replaced.without(files.scan(name), generation.name, number).collect()
        who = identities.get_column("identity").slice(first, end - first)
        values = [column for column, dtype in frame.schema.items() if ":" in column and not isinstance(dtype, pl.List)]
        forms = read_forms(files, name, values)
        columns = [_simple(frame.get_column(column), forms.get(column)) for column in values]
        event, identity = (
            frame.get_column("event").cast(pl.UInt32).cat.to(covered),
            who.gather(frame.get_column("identity")),
        )
        yield frame.with_columns(*columns, event=event, identity=identity).drop("home")


def _simple(column: pl.Series, form: Form | None) -> pl.Series:
    """A coded column as one of a simple type where that says the same, else of values."""
    match form:
        case Scaled(places=0):
            return column
        case Scaled(places=places):
            return unscaled(column, places).alias(column.name)
        case Coded(values=values) if (values.struct.field("kind") == "string").all():
            return values.struct.field("text").gather(column).alias(column.name)
    return decoded(column, form)


def _bucket(
    files: Files, name: str, spill: Spill, number: int, identities: pl.DataFrame, manifest: StoreManifest
) -> Bucket:
    frames = spill.take("rows", number)
    if not frames:
        return Bucket(identities=identities.height)
    rows = together(frames)
    codes = _numbers_of(rows.get_column("identity"), identities.get_column("identity"))
    columns = rows.with_columns(codes.alias("identity")).to_dict()
    del rows, frames
    written = write_bucket(files, name, columns, identities, manifest.coverage.events)
    return Bucket(rows=written.rows, first=written.first, last=written.last, identities=identities.height)


def _numbers_of(texts: pl.Series, known: pl.Series) -> pl.Series:
    """The place of each text among the known ones (UInt32), which are different, and of which each text is one."""
    hashes = known.hash(seed=_SEED)
    on, these = ("hash", texts.hash(seed=_SEED)) if hashes.n_unique() == len(hashes) else ("text", texts)
    numbers = pl.DataFrame({"hash": hashes, "text": known}).select(on).with_row_index("number")
    return these.alias(on).to_frame().join(numbers, on=on, how="left", maintain_order="left").get_column("number")


def _indexes(files: Files, name: str, parts: int, generations: tuple[Generation, ...]) -> Iterator[str]:
    """Writes the parts of one index of all message ids."""
    for part in range(parts):
        keys = index_part(files.root, generations, part, parts)
        if keys.height:
            title = f"{name}/index-{part:03}.arrow"
            write_index(files.root / title, keys)
            yield title
