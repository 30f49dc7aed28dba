"""The definition language: text ⇄ tree, its checks, its fingerprint and what a definition needs.

    tree.py           the frozen nodes every other part works on
    parse.py          Segment's query language → tree: grammar.lark, then syntax.py (what the grammar can't
                      read), build.py, functions.py and arguments.py (what it can, by name)
    print.py          tree → Segment's query language, canonical
    check.py          what parses but is not a valid trait or audience: values.py (single nodes), windows.py
                      (filters), types.py (results)
    construct.py      nodes with their invariants kept: flat AND/OR, ordered bounds
    fingerprint.py    a hash that changes only when a result could
    requirements.py   the events, properties and traits that a definition reads
    suggest.py        the nearest right thing

Nothing here reads data; the package imports ``audiences.errors`` and no other part of ours. Lark is loaded at
the first parse.
"""
