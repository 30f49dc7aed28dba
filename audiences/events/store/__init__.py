"""The event store: accepted events once, typed, coded, in buckets; derived from the inputs and rebuildable."""
