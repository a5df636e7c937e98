"""Runs the benchmarks that need neither a server, nor Ray, nor as long as they are told to."""

import os
import platform

from tests.benchmarks import (
    bench_augmentation,
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
bench_augmentation.main()
bench_search.main()
bench_driver.main()
bench_inference.main()
bench_scale.main(only="rows,width,csv")  # trials take a quarter of an hour more
