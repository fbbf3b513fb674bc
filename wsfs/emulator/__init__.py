"""A Worksection account on this machine: for the demo, the tests and the benchmarks.

It imports nothing else of wsfs, so that it judges the rest as a stranger would.
"""
