"""Reading Parquet as it comes: normalised events, rejects with reasons, owners, and profiles in buckets."""

from audiences.events.buckets import Bucket
from audiences.events.inputs import Inputs, open_inputs
from audiences.events.needs import EventNeeds, column_name
from audiences.events.prepared import PreparedInputs, Statistics
from audiences.events.rejects import Reason, Rejects, Sample
from audiences.events.store.affected import Affected, dates_in
from audiences.events.store.crossing import Span
from audiences.events.store.inputs import StoredInputs
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Counts
from audiences.events.store.prepare import Place
from audiences.events.tables import InputFrames, Source

__all__ = [
    "Affected",
    "Bucket",
    "Counts",
    "EventNeeds",
    "InputFrames",
    "Inputs",
    "Limits",
    "Place",
    "PreparedInputs",
    "Reason",
    "Rejects",
    "Sample",
    "Source",
    "Span",
    "Statistics",
    "StoredInputs",
    "column_name",
    "dates_in",
    "open_inputs",
]
