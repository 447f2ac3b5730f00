"""Find and group the people below a folder, and print the photos of each: the whole job in Python.

    python examples/find_people.py examples/photos

Prints a line for each group: its number, how many photos it is on, and their names.
"""

import sys
from pathlib import Path

from facecluster import Analyzer, Detector, Library, open_model
from facecluster.people import regroup
from facecluster.scan import scan


def main(folder: Path, database: Path) -> None:
    network = open_model("nn4")
    with Library.open(database) as library:
        for analysis in scan(library, [folder], Analyzer(Detector(), network)):
            if analysis.error:
                print(f"{analysis.file.path}: {analysis.error}")
        model = library.models()[0].id
        threshold = network.thresholds["group"]
        regroup(library, model, method="agglomerative", threshold=threshold, k=None)
        for group in library.groups():
            names = sorted({Path(face.path).name for face in library.faces(group=group.number)})
            print(f"group {group.number}: {group.photos} photos: {', '.join(names)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path("people.sqlite"))
