"""How fast the product is, next to a bare scan, DuckDB and ClickHouse, on events made up for it.

``python -m benchmarks`` (with ``tests`` on the path; ``make bench``) runs all of it; ``--help`` lists the options.

people      profiles and accounts, made up
behaviour   who does what when: one chunk of events as arrays
history     events as Parquet files: a year of them, and the hour after
workload/   the 52 definitions, and what they mean as DuckDB's and ClickHouse's SQL
scan        the limit: what reading the needed columns costs
duckdb_queries, clickhouse_queries   one query per definition
compare     our results against theirs, every profile of every definition
measuring   a command in a process of its own: seconds, CPU seconds, peak memory
course      what is measured, one step after the other
report      the tables, the chart and the JSON file
"""
