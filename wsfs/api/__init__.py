"""The Worksection API: typed answers, named errors, signed and paced requests, streamed files."""

import sys

# httpx brings its command line along, with rich and pygments: half the time of its import, for nothing here.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
