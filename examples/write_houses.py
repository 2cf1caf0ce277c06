"""Write a made-up table such as people bring: text, gaps, dates, a number that is only a name, decimal commas.

python examples/write_houses.py houses.csv            400 houses, what they were sold for, and whether within a month
"""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

TOWNS = {"Aalen": 0.8, "Bonn": 1.1, "Celle": 0.9, "Dresden": 1.0}
HEATING = {"gas": 0.0, "oil": -9.0, "heat pump": 14.0}


def main(path: Path) -> None:
    """Draw houses and their prices, and write them as a spreadsheet in German would."""
    random = np.random.default_rng(7)
    lines = ["number;town;heating;area;rooms;garden;sold on;price;within a month"]
    for n in range(400):
        town, heating = str(random.choice(list(TOWNS))), str(random.choice(list(HEATING)))
        area, garden = float(random.gamma(9, 13)), bool(random.random() < 0.4)
        rooms = max(1, round(area / 28 + random.normal() * 0.8))
        price = 90 + TOWNS[town] * area * (2.4 - area / 400) + HEATING[heating] + 25 * garden + 6 * rooms
        price += random.normal() * 16
        quick = random.random() < 1 / (1 + np.exp((price - 2.4 * area - 70) / 20))
        cells = [
            f"H{n:04d}",
            town,
            "" if random.random() < 0.06 else heating,
            "" if random.random() < 0.04 else f"{area:.1f}".replace(".", ","),
            str(rooms),
            str(garden).lower(),
            (date(2023, 1, 1) + timedelta(days=int(random.integers(700)))).isoformat(),
            f"{price:.1f}".replace(".", ","),
            "yes" if quick else "no",
        ]
        lines.append(";".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines) - 1} rows, {len(cells)} columns")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "houses.csv"))
