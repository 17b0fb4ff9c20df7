"""Before anything is computed: can the generator draw vectors of the embedder that was asked for?"""

from __future__ import annotations

from typing import Any

from hyperface_lib.pipeline.plan import Plan, Step


def refuse_unconditioned(plan: Plan) -> None:
    """Raise ValueError, naming both, when a step draws vectors of an embedder that its generator does not take."""
    for step in plan.steps:
        generator, embedder = step.parameters.get("generator"), _embedder_of(plan)
        shipped = embedder == "reference" and generator in (None, "reference")
        # Arc2Face is large to load and does not say whose vectors it takes: its own loader warns of that.
        if embedder is None or shipped or not step.name.startswith("03_") or str(generator).startswith("arc2face:"):
            continue
        _refuse(step, embedder, generator or "reference")


def _embedder_of(plan: Plan) -> Any:
    return next((step.parameters["embedder"] for step in plan.steps if "embedder" in step.parameters), None)


def _refuse(step: Step, embedder: str, generator: str) -> None:
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.synthesis import load_generator

    asked, takes = load_embedder(embedder), load_generator(generator)
    if asked.fingerprint != takes.embedder_fingerprint:
        raise ValueError(
            f"{step.name}: generator {generator!r} draws vectors of embedder {takes.embedder_name!r} "
            f"(fingerprint {takes.embedder_fingerprint}), not of {asked.name!r} (fingerprint {asked.fingerprint}): "
            "add `--to 02`, or give a generator conditioned on it"
        )
