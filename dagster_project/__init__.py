"""The Dagster side of a project: one asset per computation. ``definitions.py`` is what Dagster loads."""
