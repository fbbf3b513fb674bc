"""Lists the libraries in a directory of Python packages, with version, licence and home page: libraries.py DIRECTORY"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions


def field(library: Distribution, name: str) -> str:
    """The first line of what is said under that name; empty where nothing is."""
    said = (library.metadata.get_all(name) or [""])[0] or ""
    return str(said).strip().partition("\n")[0]


def licence(library: Distribution) -> str:
    """Its licence in a few words: as an expression, a classifier, or the field that often holds the whole text."""
    expression = field(library, "License-Expression")
    classified = [
        one.rpartition(" :: ")[2]
        for one in library.metadata.get_all("Classifier") or []
        if one.startswith("License ::")
    ]
    return expression or ", ".join(classified) or field(library, "License") or "see its dist-info"


def home(library: Distribution) -> str:
    """Where it comes from."""
    links = [one.partition(", ")[::2] for one in library.metadata.get_all("Project-URL") or []]
    wanted = ("homepage", "home", "source", "source code", "repository", "documentation")
    by_name = {name.lower(): link for name, link in links}
    return field(library, "Home-page") or next((by_name[one] for one in wanted if one in by_name), "")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: libraries.py DIRECTORY")
    print(
        "The libraries in /usr/lib/wsfs. The licence of each is in its directory NAME-VERSION.dist-info there.\n"
    )
    for library in sorted(distributions(path=[sys.argv[1]]), key=lambda one: one.name.lower()):
        if library.name != "wsfs":
            print(f"{library.name} {library.version}: {licence(library)}; {home(library)}".rstrip("; "))


if __name__ == "__main__":
    main()
