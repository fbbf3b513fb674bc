"""What may be wrong with a machine, its directories, the network or an account, and what mends it.

Each check is a function that is handed what it judges, or where to look, and returns findings. None changes
anything. Those that wait have a deadline; those of `asking` alone cost requests.
"""

from __future__ import annotations

from wsfs.doctor.findings import Finding, State, bad, good, note

__all__ = ["Finding", "State", "bad", "good", "note"]
