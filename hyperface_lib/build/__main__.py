"""Build every shipped artefact from nothing, in the order in which they need each other: `make models`.

Head model, recognisers, generator, drawings, reference run, stored notebook outputs, pictures. Each part resumes, so
that an interrupted build goes on with the same command; the whole takes some eight core-hours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "head": (("head",),),
    "recognisers": (("recognisers", "judge"), ("recognisers", "reference")),
    "generator": (("generator",),),
    "notebooks": (("drawings",), ("notebook_outputs", "--reference-run"), ("notebook_outputs",)),
    "pictures": (("pictures",),),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for, all by default; stop at the first that fails and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    chosen = parser.parse_args(arguments).parts or list(PARTS)
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"expected parts among {', '.join(PARTS)}, found {', '.join(unknown)}")
    for part in PARTS:  # always in this order, whatever the order asked for
        if part not in chosen:
            continue
        for module, *options in PARTS[part]:
            # a process each: thread counts and memory of one part do not reach the next
            command = [sys.executable, "-m", f"hyperface_lib.build.{module}", *options]
            code = subprocess.call(command, env=os.environ)
            if code:
                return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
