"""Runs every benchmark."""

import os
import platform

from tests.benchmarks import bench_driver, bench_inference, bench_search, bench_training

print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, median (range)\n")
bench_training.main()
bench_search.main()
bench_driver.main()
bench_inference.main()
