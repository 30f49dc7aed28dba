"""Definitions in YAML: from files to checked computations, with the place of every mistake.

    computation.py         what comes out: Computation, Space, Definitions
    loader.py              a project, a file or mappings → Definitions
    entries.py             one entry of traits: or audiences:
    references.py          what entries say of one another: duplicates, levels, cycles
    space_file.py          space.yml, and space.<environment>.yml over it
    models.py              all known keys and their types    (model_problems.py words pydantic's errors)
    structured.py          structured YAML → tree    (structured_streams.py, structured_values.py below it)
    structured_print.py    tree → structured YAML    (yaml_text.py below it)
    schema.py              the JSON Schema for editors
    positions.py           YAML files → nodes that know their place    (yaml_nodes.py)

Nothing here reads data. The names of this package are imported from its modules.
"""
