"""What others print of the forty tasks of Beyond Normal: mean absolute errors in nats, as data.

All from one table, whose rows share the tasks and the number of samples, to fit and to measure with. What is trained
on each task is tuned on each, and its number is the mean of five seeds. Where others train on 100 000 samples and
measure 10 000 others (Franzese, Bounoua and Michiardi, MINDE, 2024), their numbers are not comparable, and not here.
"""

import dataclasses
import math
from typing import Literal


SOURCE = "Franzese, Rossi and Michiardi, Alice (2026), Table 2"

# Samples of a task, to fit and to measure.
SIZES = (1_000, 5_000, 10_000)


@dataclasses.dataclass(frozen=True)
class Published:
    """A row of the table.

    **Arguments:**

    - `name`: of the estimator, as printed.
    - `kind`: whether it was trained before on other problems, is trained on each task, or is not trained.
    - `errors`: mean absolute errors, at each of `SIZES`; infinite where it is printed as having diverged.
    - `spreads`: what is printed after ±, if anything.
    - `origin`: of the estimator.
    """

    name: str
    kind: Literal["pretrained", "trained", "classical"]
    errors: tuple[float, float, float]
    origin: str
    spreads: tuple[float, float, float] | None = None


PUBLISHED = (
    Published(
        "Alice Base",
        "pretrained",
        (0.092, 0.063, 0.060),
        "Franzese, Rossi and Michiardi, Alice (2026); 85 million parameters",
        (0.004, 0.001, 0.001),
    ),
    Published(
        "Alice Small",
        "pretrained",
        (0.101, 0.103, 0.104),
        "Franzese, Rossi and Michiardi, Alice (2026); 19 million parameters",
        (0.004, 0.002, 0.001),
    ),
    Published("InfoAtlas", "pretrained", (0.253, 0.271, 0.276), "InfoAtlas (2026)"),
    Published("MINDE-C", "trained", (0.353, 0.070, 0.065), "Franzese, Bounoua and Michiardi, MINDE (2024)"),
    Published("MINE", "trained", (0.248, 0.117, 0.108), "Belghazi et al., MINE (2018)"),
    Published("InfoNCE", "trained", (0.887, 0.123, 0.083), "van den Oord, Li and Vinyals (2018)"),
    Published("D-V", "trained", (1.229, 0.279, 0.144), "Donsker and Varadhan's bound"),
    Published("NWJ", "trained", (math.inf, 1.261, 0.130), "Nguyen, Wainwright and Jordan (2010)"),
    Published("KSG", "classical", (0.288, 0.240, 0.219), "Kraskov, Stögbauer and Grassberger (2004)"),
    Published("LNN", "classical", (4.864, 4.966, 4.970), "local nearest neighbours"),
    Published("CCA", "classical", (0.195, 0.192, 0.181), "canonical correlations"),
)
