"""What is shipped: the wheel has all that it should, and from the unpacked sdist the tests run."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import syncfsm
from tests.pages import ROOT

CORE = ("tests/sync", "tests/machine")
"""Tests of the core that are quick; the others are collected."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist, made of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-d", folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return folder


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Pytest over what is in ``folder``, and not over this checkout."""
    path = os.pathsep.join(str(folder / part) for part in (".", "adapters", "spec"))
    return subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_has_the_core_the_adapters_and_the_specification(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    assert wheel.name.startswith(f"syncfsm-{syncfsm.__version__}-")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"syncfsm/py.typed", "syncfsm_adapters/py.typed", "syncfsm_spec/worlds.py"} <= names
    assert {"syncfsm_spec/sync/Link.tla", "syncfsm_spec/sync/PROTOCOL.md"} <= names
    page = {path.name for path in (ROOT / "adapters/syncfsm_adapters/look/page").iterdir()}
    assert {"index.html", "page.css", "page.js", "favicon.svg"} <= page
    assert {f"syncfsm_adapters/look/page/{name}" for name in page} <= names
    assert not any(name.startswith(("tests/", "model_tests/", "docs/")) for name in names)


def test_the_tests_of_the_unpacked_sdist_run(built: Path, tmp_path: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    collected = pytest_in(folder, "--collect-only")
    assert collected.returncode == 0, collected.stdout
    passed = pytest_in(folder, *CORE)
    assert passed.returncode == 0, passed.stdout
