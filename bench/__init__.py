"""Benchmarks: each module measures one promise and prints it beside its bar."""
