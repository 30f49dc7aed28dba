"""``python -m audiences`` is the ``audiences`` command."""

from audiences.cli import main

main()
