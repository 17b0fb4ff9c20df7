"""Make the shipped generator from nothing: render people, train the codec, train the denoiser, export.

`python -m hyperface_lib.build.generator [stage] --work FOLDER`; without a stage all of them in order. Every stage goes
on where an interrupted run stopped; a finished one is not repeated. `FOLDER/generator.log` tells the story,
`FOLDER/sheet_*.png` shows it: for each of eight held-out people a real picture, then drawn ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from hyperface_lib.assets import data_folder, runs_folder
from hyperface_lib.atomic import atomic_path, write_json
from hyperface_lib.build.generator_codec import CodecTrainer, RecogniserFeatures, codec_report, encode_images
from hyperface_lib.build.generator_data import HELD_OUT, IMAGE_SIZE, PROFILE, TRAINING, PictureStore
from hyperface_lib.build.generator_denoiser import DenoiserData, DenoiserTrainer
from hyperface_lib.build.generator_latents import write_latents
from hyperface_lib.build.team import Team, run_team, usual_processes
from hyperface_lib.build.training_budget import CoreBudget
from hyperface_lib.build.training_loop import InterruptedTrainingError, TrainingLoop, build_logger, shown
from hyperface_lib.embedding import load_embedder
from hyperface_lib.evaluation.generator_scoring import score_generator
from hyperface_lib.faces import RENDERER_VERSION, Nuisance, contact_sheet
from hyperface_lib.runs import versions
from hyperface_lib.synthesis.conditioning import Conditioning
from hyperface_lib.synthesis.diffusers_parts import AutoencoderDC, Codec, create_denoiser, parameter_count
from hyperface_lib.synthesis.reference_generator import ReferenceGenerator
from hyperface_lib.training.checkpoints import read_checkpoint

LARGEST_BYTES = 20_000_000
STAGES = ("render", "codec", "latents", "denoiser", "export")
_CODEC_TEST_IMAGES = 480
_QUICK_PEOPLE = 60


class Builder:
    """The stages, in the order of `STAGES`, on one working folder."""

    def __init__(self, options: argparse.Namespace, team: Team | None = None) -> None:
        self.options = options
        self.team = team or Team()
        self.work: Path = options.work
        self.work.mkdir(parents=True, exist_ok=True)
        leads = self.team.rank == 0
        self.log = build_logger(self.work / "generator.log") if leads else logging.getLogger("hyperface.mute")
        self.training = PictureStore(self.work, replace(TRAINING, people=options.people))
        self.held_out = PictureStore(self.work, replace(HELD_OUT, people=options.held_out_people))
        self.loop = TrainingLoop(self.team, self.log, options.checkpoint_minutes, options.look_minutes, options.minutes)

    def run(self, stages: Sequence[str]) -> None:
        """Run stages in order; SIGTERM and SIGINT write a checkpoint and stop."""
        self.loop.heed_signals()
        for stage in stages:
            self.log.info("stage %s", stage)
            try:
                getattr(self, stage)()
            except InterruptedTrainingError:
                self.log.info("stopped in stage %s; the same command goes on from here", stage)
                return

    # Stages

    def render(self) -> None:
        """Render the people to learn from and the people to test on."""
        for store in (self.held_out, self.training):
            store.render(self.options.workers, self.log)

    def codec(self) -> None:
        """Train the codec and write it to FOLDER/codec."""
        folder = self.work / "codec"
        budget = CoreBudget(60 * self.options.codec_core_minutes)
        images = np.array(self.training.images())  # in memory: random rows of a mapped file are slow
        reference: Any = load_embedder(self.options.reference, device="cpu")
        trainer = CodecTrainer(images, RecogniserFeatures(reference.backbone), budget, seed=self.options.seed)
        checkpoint = self.work / "codec.checkpoint.pt"
        if checkpoint.exists():
            trainer.restore(read_checkpoint(checkpoint))
            self.log.info("codec: going on from step %d", trainer.step_number)
        test = np.array(self.held_out.images()[:_CODEC_TEST_IMAGES])

        def look() -> None:
            report = codec_report(trainer.codec, test[:160], reference)
            self.log.info("codec: held-out %s", shown(report))

        self.loop.run(trainer, checkpoint, look, "codec")
        report = codec_report(trainer.codec, test, reference)
        spread = float(encode_images(trainer.codec, images[::23]).std())
        trainer.codec.register_to_config(scaling_factor=1.0 / spread)
        trainer.codec.save_pretrained(folder)
        write_json(
            self.work / "codec.json",
            {**report, "steps": trainer.step_number, "core_seconds": trainer.core_seconds},
        )
        self.log.info("codec: finished, held-out %s, %d steps", shown(report), trainer.step_number)

    def latents(self) -> None:
        """Encode every picture by the codec and by the reference recogniser."""
        reference: Any = load_embedder(self.options.reference, device="cpu")
        codec = self._read_codec()
        write_latents(self.work / "latents.safetensors", self.training.images(), codec, reference, self.log)

    def denoiser(self) -> None:
        """Train the denoiser, by a process for each core; its checkpoint is FOLDER/denoiser.checkpoint.pt."""
        self._existing("latents.safetensors", "latents")
        run_team(_train_denoiser, self.options.processes, (self.options,))

    def train_denoiser(self) -> None:
        """Do this process's part of training the denoiser."""
        trainer, conditioning, checkpoint = self._denoiser_trainer()
        codec = self._read_codec()
        reference: Any = load_embedder(self.options.reference, device="cpu")
        judge = self._judge()
        shape = (HELD_OUT.pictures, IMAGE_SIZE, IMAGE_SIZE, 3)
        people = np.array(self.held_out.images()).reshape(-1, *shape)[:_QUICK_PEOPLE]
        self.log.info(
            "denoiser: %.2f M parameters, %d pictures, %s, %d processes",
            parameter_count(trainer.denoiser) / 1e6,
            len(trainer.data.latents),
            trainer.dtype,
            self.team.size,
        )

        def look() -> None:
            generator = self._generator(trainer, conditioning, codec, reference)
            self._sheet(generator, reference, people, trainer.step_number)
            if judge is not None:
                report = score_generator(
                    generator, reference, judge, identities=len(people), images_per_identity=4, held_out=people
                )
                self.log.info("denoiser: step %d, judged %s", trainer.step_number, shown(report.to_record()))

        self.loop.run(trainer, checkpoint, look, "denoiser")

    def export(self) -> None:
        """Write the averaged weights as the shipped generator, at most 20 MB."""
        trainer, conditioning, checkpoint = self._denoiser_trainer()
        if not trainer.step_number:
            raise FileNotFoundError(f"{checkpoint}: expected a trained denoiser, found none: run the stage 'denoiser'")
        reference: Any = load_embedder(self.options.reference, device="cpu")
        generator = self._generator(trainer, conditioning, self._read_codec(), reference)
        out: Path = self.options.out
        trial = generator.save(self.work / "export")
        size = sum(file.stat().st_size for file in trial.rglob("*") if file.is_file())
        if size > LARGEST_BYTES:
            raise ValueError(f"{trial}: expected at most {LARGEST_BYTES} bytes, found {size}")
        generator.save(out)
        self.log.info("export: %s, %d bytes, weights %s", out, size, generator.fingerprint)

    # Parts of stages

    def _denoiser_trainer(self) -> tuple[DenoiserTrainer, Conditioning, Path]:
        torch.manual_seed(self.options.seed)
        tensors = load_file(self._existing("latents.safetensors", "latents"))
        nuisance = np.asarray(self.training.nuisance())
        dimension = tensors["vectors"].shape[1]
        conditioning = Conditioning.fitted(nuisance, Nuisance.vector_names(), dimension)
        data = DenoiserData(
            tensors["latents"],
            torch.from_numpy(conditioning.standardise(nuisance)),
            tensors["vectors"].reshape(-1, TRAINING.pictures, dimension),
        )
        denoiser = create_denoiser(conditioning.length, *tensors["latents"].shape[1:3])
        trainer = DenoiserTrainer(
            denoiser,
            data,
            CoreBudget(3600 * self.options.core_hours),
            seed=self.options.seed,
            team=self.team,
        )
        checkpoint = self.work / "denoiser.checkpoint.pt"
        if checkpoint.exists():
            state = read_checkpoint(checkpoint)
            trainer.restore(state)
            self.log.info("denoiser: step %d, %.2f core-hours spent", trainer.step_number, trainer.core_seconds / 3600)
        return trainer, conditioning, checkpoint

    def _generator(
        self, trainer: DenoiserTrainer, conditioning: Conditioning, codec: Codec, reference: Any
    ) -> ReferenceGenerator:
        metadata = {
            "embedder_name": reference.name,
            "embedder_fingerprint": reference.fingerprint,
            "image_size": IMAGE_SIZE,
            "guided_share": self.options.guided_share,
            "personal_share": self.options.personal_share,
            "renderer_version": RENDERER_VERSION,
            "trained_on": {"split": TRAINING.split, "people": self.training.rendered.people, "profile": PROFILE}
            | {"pictures_each": TRAINING.pictures},
            "steps": trainer.step_number,
            "core_hours": round(trainer.core_seconds / 3600, 2),
            "codec": json.loads((self.work / "codec.json").read_text(encoding="utf-8")),
            "versions": versions(),
        }
        return ReferenceGenerator(
            trainer.average, codec, conditioning, metadata, name="reference", device="cpu", batch_size=32
        )

    def _sheet(self, generator: ReferenceGenerator, reference: Any, people: NDArray[np.uint8], step: int) -> None:
        """Draw eight held-out people: a real picture, four with drawn nuisance, four of a plain portrait."""
        rows = []
        plain = Nuisance()
        for number, pictures in enumerate(people[:8]):
            vector = reference.embed(pictures[:8]).mean(axis=0)
            condition = np.tile(vector / np.linalg.norm(vector), (4, 1)).astype(np.float32)
            rows += [pictures[0], *generator.sample(condition, 4 * number)]
            rows += list(generator.sample(condition, 4 * number, nuisance=plain))
        with atomic_path(self.work / f"sheet_{step:07d}.png") as temporary:
            Image.fromarray(contact_sheet(rows, columns=9)).save(temporary)

    def _judge(self) -> Any | None:
        try:
            return load_embedder(self.options.judge, device="cpu")
        except FileNotFoundError as problem:
            self.log.info("no judge yet, so no scores while training: %s", problem)
            return None

    def _read_codec(self) -> Codec:
        self._existing("codec.json", "codec")
        return AutoencoderDC.from_pretrained(self.work / "codec", local_files_only=True, low_cpu_mem_usage=False).eval()

    def _existing(self, name: str, stage: str) -> Path:
        file = self.work / name
        if not file.is_file():
            raise FileNotFoundError(f"{file}: expected the result of stage {stage!r}, found none: run that stage first")
        return file


def _train_denoiser(team: Team, options: argparse.Namespace) -> None:
    builder = Builder(options, team)
    builder.loop.heed_signals()
    torch.set_num_threads(max(1, options.threads // team.size))
    try:
        builder.train_denoiser()
    except InterruptedTrainingError:
        if team.rank == 0:
            raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hyperface_lib.build.generator",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("stage", nargs="?", choices=(*STAGES, "all"), default="all")
    parser.add_argument("--work", type=Path, default=runs_folder() / "build" / "generator", help="working folder")
    parser.add_argument(
        "--out", type=Path, default=data_folder() / "generator" / "reference", help="what export writes"
    )
    parser.add_argument("--people", type=int, default=TRAINING.people, help="people to learn from")
    parser.add_argument("--held-out-people", type=int, default=HELD_OUT.people, help="people to test on")
    parser.add_argument("--codec-core-minutes", type=float, default=30.0, help="computing spent on the codec")
    parser.add_argument(
        "--core-hours",
        type=float,
        default=4.0,
        help="computing spent on the denoiser in all, resumes included; may be raised later",
    )
    parser.add_argument("--minutes", type=float, help="stop after so many minutes of the clock, to go on later")
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--look-minutes", type=float, default=10.0, help="between contact sheets and scores")
    parser.add_argument(
        "--guided-share", type=float, default=1.0, help="first part of the sampling steps that is guided"
    )
    parser.add_argument(
        "--personal-share",
        type=float,
        default=0.6,
        help="share of the noise's variance that the pictures of a person have in common",
    )
    parser.add_argument("--reference", default="reference", help="embedder whose vectors are the condition")
    parser.add_argument("--judge", default="judge", help="embedder that scores")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="torch threads")
    parser.add_argument("--workers", type=int, default=None, help="rendering processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--processes", type=int, default=usual_processes(), help="processes that share the denoiser's batches"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    Builder(options).run(STAGES if options.stage == "all" else (options.stage,))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
