"""Version numbers that every artefact made from rendered faces records."""

RENDERER_VERSION = 1
"""Changes whenever the same seeds would give another image."""

BENCHMARK_VERSION = 1
"""Changes whenever a rendered benchmark would hold other pairs."""
