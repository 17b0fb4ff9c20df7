"""Configurations in arcface_torch's dialect become recipes; what they do beyond saying values is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperface_lib.losses import create_head
from hyperface_lib.training import Recipe, create_trainer, read_arcface_torch_config

from .conftest import people

LARGE = '''"""A large run."""
from easydict import EasyDict as edict

# comments stay comments
config = edict()
config.margin_list = (1.0, 0.0, 0.4)
config.network = "r100"
config.resume = False
config.output = None
config.embedding_size = 256
config.sample_rate = 0.3
config.interclass_filtering_threshold = 0
config.fp16 = True
config.momentum = 0.8
config.weight_decay = 1e-4
config.batch_size = 64
config.lr = 0.4 / 2
config.gradient_acc = 2
config.verbose = 10000
config.dali = False
config.dali_aug = False
config.rec = "/data/faces"
config.num_classes = 1000
config.num_image = 1024 * 100
config.num_epoch = 20
config.warmup_epoch = 2
config.val_targets = ["lfw", "agedb_30"]
config.colour = "red"
config.using_wandb = False
'''


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.py"
    path.write_text(text)
    return path


def small(*lines: str) -> str:
    return "\n".join(["config = edict()", *(f"config.{line}" for line in lines), ""])


def test_a_large_configuration(tmp_path: Path) -> None:
    imported = read_arcface_torch_config(written(tmp_path, LARGE), processes=8)
    recipe = imported.recipe
    assert (recipe.architecture, recipe.dimension, recipe.head) == ("iresnet100", 256, "cosface")
    assert recipe.head_options == {"scale": 64.0, "gradient": "detached", "margin_cosine": 0.4}
    assert (recipe.batch_size, recipe.accumulation, recipe.sample_rate) == (1024, 2, 0.3)
    assert (recipe.optimiser, recipe.learning_rate) == ("sgd", pytest.approx(0.2))
    assert (recipe.momentum, recipe.weight_decay) == (0.8, 1e-4)
    assert (recipe.precision, recipe.epochs, recipe.warmup_steps) == ("float16", 20, 200)
    assert (recipe.schedule, recipe.poly_power, recipe.final_fraction) == ("poly", 1.0, 0.0)
    assert (recipe.clip_gradient, recipe.seed, recipe.margin_full) == (5.0, 2048, 0.0)
    assert recipe.augmentation.flip == 0.5 and recipe.augmentation.shift_pixels == 0
    assert imported.unknown == ("colour",)
    assert set(imported.without_counterpart) == {"interclass_filtering_threshold", "dali_aug"}
    assert {"rec", "num_classes", "val_targets", "output", "using_wandb"} <= set(imported.elsewhere)
    assert imported.values["val_targets"] == ["lfw", "agedb_30"]
    report = imported.report()
    assert "colour: unknown" in report and "lr 0.2 is used as written, for 1024 images a step" in report
    assert "the rate falls from the first step on here" in report
    # The number of images at hand wins over the file's.
    assert read_arcface_torch_config(tmp_path / "config.py", 8, images=10240).recipe.warmup_steps == 20


def test_what_is_missing_is_as_in_the_base_file(tmp_path: Path) -> None:
    imported = read_arcface_torch_config(written(tmp_path, small("num_epoch = 3")))
    recipe = imported.recipe
    assert (recipe.architecture, recipe.dimension, recipe.head, recipe.seed) == ("iresnet50", 512, "arcface", 2048)
    assert recipe.head_options == {"scale": 64.0, "gradient": "detached", "margin_radians": 0.5}
    assert (recipe.batch_size, recipe.learning_rate, recipe.weight_decay) == (128, 0.1, 5e-4)
    assert (recipe.precision, recipe.warmup_steps, recipe.sample_rate) == ("float32", 0, 1.0)
    assert imported.unknown == () and imported.elsewhere == {}


@pytest.mark.parametrize(
    ("lines", "head", "options"),
    [
        (["margin_list = (1.0, 0.3, 0.0)"], "arcface", {"margin_radians": 0.3}),
        (["margin_list = [1, 0, 0.35]"], "cosface", {"margin_cosine": 0.35}),
        (
            ["margin_list = (0.9, 0.4, 0.15)"],
            "combined",
            {"margin_factor": 0.9, "margin_radians": 0.4, "margin_cosine": 0.15},
        ),
        (['loss = "cosface"'], "cosface", {"margin_cosine": 0.4}),
        (['loss = "arcface"'], "arcface", {"margin_radians": 0.5}),
    ],
)
def test_margins_name_the_head(tmp_path: Path, lines: list[str], head: str, options: dict[str, float]) -> None:
    imported = read_arcface_torch_config(written(tmp_path, small(*lines)))
    assert imported.recipe.head == head
    assert imported.recipe.head_options == {"scale": 64.0, "gradient": "detached", **options}
    create_head(head, dimension=4, classes=3, **imported.recipe.head_options)
    assert ("combined margin" in imported.report()) == (head == "combined")


def test_an_imported_recipe_trains(tmp_path: Path) -> None:
    text = small("batch_size = 8", "sample_rate = 0.5", "embedding_size = 8", "optimizer = 'adamw'", "lr = 1e-3")
    recipe = read_arcface_torch_config(written(tmp_path, text)).recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    images, labels = people(6, 4)
    trainer = create_trainer(images, labels, recipe.with_changes(architecture="tiny", max_steps=2), device="cpu")
    assert len(trainer.fit().loss) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config = edict()\nconfig.lr = open('x').read()\n", r"line 2: expected a plain value, found .open\('x'\)"),
        ("import os\nos.system('touch ran')\n", "line 2: expected an assignment to config.<name>, found other code"),
        ("config = edict()\nfor i in range(3):\n    pass\n", "line 2: expected an assignment"),
        ("config = edict()\nconfig.lr = config.batch_size * 2\n", r"line 2: expected a plain value"),
        ("config = edict(lr=__import__('os'))\n", r"line 1: expected an assignment to config.<name>"),
        (
            "config = edict()\nother.lr = 1\n",
            "line 2: expected an assignment to config.<name>, found one to 'other.lr'",
        ),
        ("config = edict()\nconfig.lr = 1 / 0\n", "line 2: '1 / 0' has no value"),
        ("config = edict()\nconfig.lr =\n", "line 2: expected Python text"),
        ("config = edict()\nconfig.lr = '0.1'\n", "lr must be a number, found '0.1'"),
        ("config = edict()\nconfig.batch_size = 12.5\n", "batch_size must be a whole number, found 12.5"),
        ("config = edict()\nconfig.network = 'vit_b'\n", "network must be one of r18, r34, r50, r100, r200"),
        ("config = edict()\nconfig.optimizer = 'lion'\n", "optimizer must be 'sgd' or 'adamw', found 'lion'"),
        ("config = edict()\nconfig.loss = 'triplet'\n", "loss must be one of arcface, cosface, found 'triplet'"),
        ("config = edict()\nconfig.margin_list = (1, 2)\n", "margin_list must be three numbers"),
        ("config = edict()\nconfig.warmup_epoch = 1\n", "needs the number of images, found no num_image"),
    ],
)
def test_other_code_and_impossible_values_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as found:
        read_arcface_torch_config(written(tmp_path, text))
    assert "config.py" in str(found.value) and not (tmp_path / "ran").exists()


def test_no_file_and_no_process(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no configuration"):
        read_arcface_torch_config(tmp_path / "absent.py")
    with pytest.raises(ValueError, match="processes must be 1 or more"):
        read_arcface_torch_config(written(tmp_path, small("lr = 1")), processes=0)
