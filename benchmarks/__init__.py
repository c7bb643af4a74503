"""How fast, how small, how few: ``python -m benchmarks``. README.md says what the figures mean."""
