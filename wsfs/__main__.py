"""`python -m wsfs` is `wsfs`."""

from __future__ import annotations

from wsfs.cli import main

if __name__ == "__main__":
    main(prog_name="wsfs")
