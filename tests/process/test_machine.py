"""How many cores a process takes: what a person, its affinity and its control groups leave it."""

import os

import pytest

from src.process.machine import available_cores, multiplies_bfloat16


@pytest.fixture(autouse=True)
def nobody_has_a_wish(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def tree(root, membership: str, **limits: str):
    """Write a process's control groups and the files that limit them, by path below the mount."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    for path, text in limits.items():
        file = root / "sys/fs/cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("told", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 avx512vl\n", True),
        ("flags\t\t: amx_bf16 amx_tile\n", True),
        ("Features\t: asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        (None, False),
    ],
)
def test_a_processor_tells_whether_it_multiplies_bfloat16(tmp_path, told, has):
    if told is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(told)
    assert multiplies_bfloat16(tmp_path) is has


@pytest.mark.parametrize(
    ("membership", "limits", "cores"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "12800000 100000"}, 64),
        ("0::/\n", {"cpu.max": "not a number"}, 64),
        ("0::/\n", {}, 64),
        ("0::/pod/box\n", {"pod/cpu.max": "300000 100000", "pod/box/cpu.max": "max 100000"}, 3),
        ("0::/pod/box\n", {"pod/cpu.max": "900000 100000", "pod/box/cpu.max": "400000 100000"}, 4),
        ("0::/host/docker/1f\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/../../other\n", {"cpu.max": "200000 100000"}, 2),
        (
            "4:cpu,cpuacct:/box\n1:name=systemd:/box\n",
            {"cpu/box/cpu.cfs_quota_us": "250000", "cpu/box/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "4:cpu,cpuacct:/docker/1f\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "200000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            "1:cpu:/\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            64,
        ),
    ],
)
def test_a_quota_of_control_groups_limits_the_cores(tmp_path, membership, limits, cores):
    assert available_cores(tree(tmp_path, membership, **limits)) == cores


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert available_cores(tmp_path) == 64


def test_a_wish_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert available_cores(tree(tmp_path, "0::/\n", **{"cpu.max": "200000 100000"})) == 5


def test_this_machine_has_a_core():
    assert 1 <= available_cores() <= 64
