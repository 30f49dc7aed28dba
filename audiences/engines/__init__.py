"""Engines compute a plan's computations from prepared inputs. Polars is the one there is."""
