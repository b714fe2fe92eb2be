"""The room of appendices/benchmarks."""
