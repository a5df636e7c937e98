"""Runs every benchmark but `bench_references.py`, which takes as long as it is told to."""

import os
import platform

from tests.benchmarks import (
    bench_driver,
    bench_inference,
    bench_scale,
    bench_search,
    bench_shapes,
    bench_training,
)

print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, median (range)\n")
bench_training.main()
bench_shapes.main()
bench_search.main()
bench_driver.main()
bench_inference.main()
bench_scale.main()
