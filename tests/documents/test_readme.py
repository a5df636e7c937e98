"""README.md's commands, but for those that docs/tour.md has too and those that set up .venv."""

import signal

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from src.data.mnist import Mnist
from tests.conftest import REPOSITORY, Store, start_training
from tests.documents.commands import Checkout, commands_of

pytestmark = pytest.mark.docs

SETS_UP = ("python3 -m venv", ".venv/bin/python -m pip", "source ", "python -m pytest")
"""What has been done by whoever runs this test."""

IN_TOUR = commands_of(REPOSITORY / "docs" / "tour.md")
PHOTOS = 60
COMMANDS = [
    command
    for command in commands_of(REPOSITORY / "README.md")
    if command not in IN_TOUR and not command.startswith(SETS_UP)
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a checkout with the files that README.md names: real digits."""
    folder = tmp_path_factory.mktemp("readme")
    images = Mnist().load_test().take(np.arange(PHOTOS))
    for number, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        picture = Image.fromarray(255 - pixels[0]).resize((200, 200))
        (folder / "photos" / str(label)).mkdir(parents=True, exist_ok=True)
        picture.save(folder / "photos" / str(label) / f"{number}.png")
    picture.save(folder / "digit.png")
    table = np.column_stack([images.pixels.reshape(PHOTOS, -1), images.labels])
    names = ",".join([*(f"pixel{n}" for n in range(784)), "label"])
    np.savetxt(folder / "test.csv", table, fmt="%d", delimiter=",", header=names, comments="")
    digits = load_digits()
    table = np.column_stack([digits.target, digits.data]).astype(int)
    np.savetxt(folder / "digits.csv", table, fmt="%d", delimiter=",")
    return Checkout(folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works_as_written(checkout, command):
    if "resume=RUN_ID" in command:
        checkout.run_id = interrupted(checkout)
    checkout.run(command)


def interrupted(checkout: Checkout) -> str:
    """Start a training, press Ctrl-C after its first epoch, and return the id of its run."""
    process = start_training("data=digits", "trainer.max_epochs=300", cwd=checkout.folder)
    next(line for line in process.stdout if line.startswith("epoch 1/"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    [run] = [run for run in Store(checkout.folder).runs() if run.info.status == "KILLED"]
    return run.info.run_id


def test_readme_has_left_answers_and_a_model_without_pytorch(checkout):
    answers = (checkout.folder / "answers.csv").read_text().splitlines()
    assert len(answers) == 1 + PHOTOS
    assert (checkout.folder / "digits.onnx").stat().st_size > 10_000
