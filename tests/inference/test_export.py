"""The model as ONNX, used as docs/onnx.md shows it, and behind MLflow's own scoring server."""

import errno
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import onnxruntime
import pytest

from src.errors import ConfigError
from src.inference.export import export_onnx, require_free, write_new
from src.pictures.reading import picture_from_array
from tests.conftest import REPOSITORY, environment
from tests.plans import stored_runs

pytestmark = pytest.mark.long

N = 200


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "digits.onnx"
    export_onnx(trained.champion, path)
    return path


def test_validation_images_get_the_same_answers_and_the_test_images_are_left_alone(
    trained, tmp_path
):
    said = export_onnx(trained.champion, tmp_path / "digits.onnx")
    kept = trained.champion.calibration.images
    [(images, difference, same)] = re.findall(r"on (\d+) .* is (\S+), and (\d+) answers", said)
    assert int(images) == int(same) == len(kept) > 100
    assert 0 < float(difference) < 1e-5
    assert [p.name for p in tmp_path.iterdir()] == ["digits.onnx"]
    with np.load(
        stored_runs(trained.tracking).file(
            trained.champion.run.id, "preparation/validation.npz", tmp_path
        )
    ) as file:
        np.testing.assert_array_equal(kept.pixels, file["pixels"])


def test_its_metadata_say_which_way_the_ink_runs(trained, tmp_path):
    calibration = trained.champion.calibration
    assert _input(trained.champion, tmp_path / "bright.onnx").endswith("ink bright on dark")
    dark = replace(calibration, form=replace(calibration.form, paper=255, ink=0))
    other = replace(trained.champion, calibration=dark)
    assert _input(other, tmp_path / "dark.onnx").endswith("ink dark on light")


def _input(recogniser, path):
    export_onnx(recogniser, path)
    found = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return found.get_modelmeta().custom_metadata_map["input"]


def test_it_is_written_where_files_have_one_name_only(trained, tmp_path, monkeypatch):
    """As on FAT, exFAT and mounted clouds."""

    def no_link(*arguments, **more):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    export_onnx(trained.champion, tmp_path / "digits.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["digits.onnx"]


def test_a_file_that_does_not_fit_is_not_left_half_written(tmp_path):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            write_new(tmp_path / "digits.onnx", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list(tmp_path.iterdir()) == []


def test_the_example_works_without_torch(exported, trained, digits, tmp_path):
    [example] = re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "docs" / "onnx.md").read_text(), re.DOTALL
    )
    (tmp_path / "example.py").write_text(
        f"import sys\nsys.modules['torch'] = sys.modules['mlflow'] = None\n{example}"
    )
    for number in (1, N):  # any number of images
        np.save(tmp_path / "images.npy", digits.pixels[:number])
        command = [sys.executable, "example.py", str(exported), "images.npy"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        pictures = [picture_from_array(pixels[0]) for pixels in digits.pixels[:number]]
        answers = trained.champion.answer([trained.champion.prepare(p) for p in pictures])
        assert [line.split()[0] for line in done.stdout.splitlines()] == [
            answer.label or "?" for answer in answers
        ]


def test_nothing_is_overwritten(exported, trained):
    before = exported.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        require_free(exported)
    with pytest.raises(ConfigError, match="is there already"):
        export_onnx(trained.champion, exported)
    assert exported.read_bytes() == before
    assert [p.name for p in exported.parent.iterdir()] == ["digits.onnx"]


def test_a_name_that_cannot_be_is_told_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.onnx"):
        require_free(tmp_path / "digits.pt")
    with pytest.raises(ConfigError, match="there is no folder"):
        require_free(tmp_path / "missing" / "digits.onnx")


@pytest.fixture
def server(trained):
    """Serve the champion as `make serve` does, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    places = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "MLFLOW_TRACKING_URI": f"sqlite:///{trained.folder}/mlruns/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = "mlflow models serve -m models:/digits@champion --env-manager local --host 127.0.0.1"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--port", port, "--workers", "1"],
        env={**environment(), **places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # its workers end with it
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urlopen(f"{address}/ping", timeout=5)
            break
        except (URLError, OSError):
            assert process.poll() is None
            time.sleep(0.2)
    yield address
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


def test_the_server_gives_the_answers_of_predict(server, trained, digits):
    images = digits.pixels[:N].astype(np.float32) / 255
    request = Request(
        f"{server}/invocations",
        data=json.dumps({"inputs": images.tolist()}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=60) as response:
        served = np.array(json.load(response)["predictions"])
    pictures = [picture_from_array(pixels[0]) for pixels in digits.pixels[:N]]
    answers = trained.champion.answer([trained.champion.prepare(p) for p in pictures])
    expected = np.stack([answer.probabilities for answer in answers])
    np.testing.assert_allclose(served, expected, atol=1e-5)
