"""Write a real table that ships with scikit-learn as CSV, in the raw units it was measured in.

python examples/write_table.py diabetes.csv           442 patients, 10 inputs, the disease's progression a year later
python examples/write_table.py linnerud.csv           20 men, 3 exercises, 3 measures of the body
"""

import csv
import sys
from pathlib import Path

from sklearn import datasets


def main(path: Path) -> None:
    """Load the set named like the file and write it."""
    if path.stem == "diabetes":
        table = datasets.load_diabetes(scaled=False)
        names = [*table.feature_names, "progression"]
    elif path.stem == "linnerud":
        table = datasets.load_linnerud()
        names = [*table.feature_names, *(name.lower() for name in table.target_names)]
    else:
        sys.exit(f"the file must be named diabetes.csv or linnerud.csv; got {path.name}. Name it like the set.")
    targets = table.target.reshape(len(table.data), -1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for inputs, t in zip(table.data.tolist(), targets.tolist(), strict=True):
            writer.writerow([*inputs, *t])
    print(f"{path}: {len(targets)} rows, {len(names)} columns")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "diabetes.csv"))
