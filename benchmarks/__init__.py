"""Measures what billing costs a host: `python -m benchmarks`, with topics to leave the rest out."""
