"""Trains on a folder of Parquet larger than memory should be: rows a second, beside reading it alone, and peak memory.

    python benchmarks/streaming.py FOLDER [--rows 20000000] [--columns 30] [--epochs 2] [--json FILE]

The folder is made if it is not there (20 million rows of 30 columns take 4.8 GB). Each measurement runs in a process
of its own, whose peak memory the kernel reports. Rows a second of training count the pass that measures the table, the
choice of the penalty, the epochs and the report: what a user waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILES = 20
GROUP = 250_000

READ = """
import sys
import pyarrow.parquet as pq
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.parquet")):
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16)
    for batch in file.iter_batches(65536):
        for column in batch.columns:
            column.to_numpy()
"""


def make(folder: Path, rows: int, columns: int) -> None:
    """Write the table: a target that bends in two inputs, with noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    w = random.normal(size=columns - 1)
    for n in range(FILES):
        inputs = random.normal(size=(rows // FILES, columns - 1))
        noise = 0.1 * random.normal(size=len(inputs))
        target = np.tanh(inputs @ w / 5) + 0.5 * inputs[:, 0] * inputs[:, 1] + noise
        table = pa.table({f"x{k}": inputs[:, k] for k in range(columns - 1)} | {"y": target})
        pq.write_table(
            table, folder / f"part-{n:03d}.parquet", row_group_size=GROUP, compression="none", use_dictionary=False
        )


def measured(command: list[str]) -> tuple[float, int, str]:
    """Seconds, peak memory in bytes and output of a command."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout.read() if process.stdout is not None else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with exit code {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024, output


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--make", action="store_true", help="only make the folder")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    if given.make:
        make(given.folder, given.rows, given.columns)
        return
    if not given.folder.exists():  # in another process, for the kernel counts a child's memory from its parent's
        options = ["--rows", str(given.rows), "--columns", str(given.columns)]
        subprocess.run([sys.executable, __file__, str(given.folder), "--make", *options], check=True)
    size = sum(path.stat().st_size for path in given.folder.iterdir())
    reading, of_reading, _ = measured([sys.executable, "-c", READ, str(given.folder)])
    chainrule = str(Path(sys.executable).with_name("chainrule"))
    command = [
        chainrule,
        "train",
        str(given.folder),
        "--target",
        "y",
        "--epochs",
        str(given.epochs),
        "--stream",
        "--json",
    ]
    training, of_training, output = measured(command)
    report: dict[str, Any] = json.loads(output)
    figures = {
        "rows": given.rows,
        "bytes": size,
        "reading_seconds": reading,
        "reading_peak_bytes": of_reading,
        "training_seconds": training,
        "training_peak_bytes": of_training,
        "epochs": given.epochs,
        "r2": report["scores"]["y"]["network"]["r2"],
    }
    print(f"{given.rows:,} rows of {given.columns} columns, {size / 1e9:.2f} GB")
    print(f"reading alone: {reading:.1f} s, {given.rows / reading:,.0f} rows/s, peak {of_reading / 1e6:.0f} MB")
    rate = given.rows * given.epochs / training
    print(
        f"training {given.epochs} epochs: {training:.1f} s, {rate:,.0f} rows/s, peak {of_training / 1e6:.0f} MB, "
        f"R² {figures['r2']:.3f}"
    )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
