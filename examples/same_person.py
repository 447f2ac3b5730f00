"""Compare the first face of one photo with the first face of another, without any library.

    python examples/same_person.py A.jpg B.jpg

Prints the squared distance (0 to 4) and whether it is within the network's threshold.
"""

import sys
from pathlib import Path

from facecluster import Analyzer, Detector, open_model


def main(a: Path, b: Path) -> None:
    network = open_model("nn4")
    analyzer = Analyzer(Detector(), network)
    one, other = analyzer.analyze([analyzer.read(a), analyzer.read(b)])
    if not one.faces or not other.faces:
        sys.exit("No face was found on one of the two.")
    distance = float(((one.embeddings[0] - other.embeddings[0]) ** 2).sum())
    answer = "same" if distance <= network.thresholds["verify"] else "different"
    print(f"squared distance {distance:.3f}: {answer}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
