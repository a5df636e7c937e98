"""The collector is off while libraries are loaded, and on for all that comes then."""

import pytest

from tests.conftest import TRAINING, python

pytestmark = pytest.mark.long

CYCLES = """
import gc, weakref
from src.process.gc_pause import pause_gc, resume_gc

class Node:
    pass

def cycle():
    node = Node()
    node.self = node
    return weakref.ref(node)

def many():
    return [cycle() for _ in range(10_000)]

pause_gc()
before = many()
resume_gc()
after = many()
print(sum(node() is None for node in before), sum(node() is None for node in after) > 5_000)
"""

TRAIN = """
import atexit, gc, runpy, sys
atexit.register(lambda: print("collects:", gc.isenabled()))
sys.argv[:] = ["src.train", *sys.argv[1:]]
runpy.run_module("src.train", run_name="__main__")
"""


def test_garbage_made_after_loading_is_collected(tmp_path):
    assert python("-c", CYCLES, cwd=tmp_path).stdout.split() == ["0", "True"]


def test_a_training_collects_its_garbage(tmp_path):
    done = python("-c", TRAIN, *TRAINING, "tracking=off", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "collects: True" in done.stdout
