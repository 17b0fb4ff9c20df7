from pathlib import Path

import pytest

from hyperface_lib import assets


def test_environment_variables_choose_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATA", "RUNS", "CACHE", "NOTEBOOKS"):
        monkeypatch.setenv(f"HYPERFACE_{variable}", str(tmp_path / variable))
    assert assets.data_folder() == tmp_path / "DATA"
    assert assets.runs_folder() == tmp_path / "RUNS"
    assert assets.notebooks_folder() == tmp_path / "NOTEBOOKS"
    assert assets.cache_folder() == tmp_path / "CACHE"
    assert (tmp_path / "CACHE").is_dir()


def test_without_environment_the_folders_are_the_checkouts_from_anywhere(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYPERFACE_DATA", raising=False)
    monkeypatch.delenv("HYPERFACE_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert assets.data_folder() == checkout / "data"
    assert assets.runs_folder() == checkout / "runs"


def test_asset_returns_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "head.npz").write_bytes(b"x")
    assert assets.asset("head/head.npz") == tmp_path / "head" / "head.npz"


@pytest.mark.parametrize(
    ("relative", "command"),
    [
        ("recognisers/judge.safetensors", "make models"),
        ("head/head.npz", "make models"),
        ("odd/thing", "HYPERFACE_DATA"),
    ],
)
def test_a_missing_asset_names_itself_and_the_command(
    relative: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as raised:
        assets.asset(relative)
    assert Path(relative).name in str(raised.value)
    assert command in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("relative", ["../secret", "head/../../secret", "/etc/passwd"])
def test_an_asset_never_leaves_the_data_folder(relative: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path / "data"))
    with pytest.raises(ValueError, match="inside"):
        assets.asset(relative)
