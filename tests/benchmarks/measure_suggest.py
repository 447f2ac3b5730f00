"""How many answers name 95 % of the faces of a library, and how true the probabilities are.

    python tests/benchmarks/measure_suggest.py [--library FILE] [--share 0.95]

The development library (../shared/data/library: 503 photos of 20 people) is scanned, or taken from
--library, and grouped with the defaults. A simulated user knows who the main faces are; all others
are left out beforehand. Each of these is one answer: a name for a group (that of most of its
faces), yes or no to a suggestion, a name for the listed loose faces of a person, and each face
that has to be taken out of what was named (`reject`), or be named alone. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facecluster.embed import find_model, group_threshold
from facecluster.evaluate import main_face
from facecluster.library import Library
from facecluster.people import (
    deny_group,
    ignore,
    name_faces,
    name_group,
    place_loose,
    regroup,
    reject,
    suggest,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "library"
ROUND = 10  # answers between two groupings


@dataclass
class User:
    """Answers, and counts them."""

    library: Library
    truth: dict[int, str]
    grouping_again: bool
    typed: int = 0
    clicked: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        self.chosen = self.library.models()[0]
        self.network = find_model(self.chosen.name)
        self.group()

    @property
    def answers(self) -> int:
        return self.typed + self.clicked + self.rejected

    def group(self) -> None:
        threshold = group_threshold(self.network, self.chosen.faces).threshold
        regroup(self.library, self.chosen.id, method="agglomerative", threshold=threshold, k=None)

    def right(self) -> float:
        shown = {face.face: face.person for face in self.library.faces()}
        return float(np.mean([shown.get(face) == who for face, who in self.truth.items()]))

    def most(self, faces: list[int]) -> str:
        return Counter(self.truth[face] for face in faces).most_common(1)[0][0]

    def put_right(self) -> None:
        """Take out what is shown as somebody else."""
        for face in self.library.faces():
            if face.person is not None and face.person != self.truth.get(face.face, face.person):
                reject(self.library, [face.face], command="reject")
                self.rejected += 1

    def name_largest(self) -> bool:
        unnamed = [one for one in self.library.groups() if one.person is None]
        if not unnamed:
            return False
        members = self.library.require_group(unnamed[0].number)
        name_group(self.library, unnamed[0].number, self.most(members), command="name")
        self.typed += 1
        return True

    def answer_suggestion(self) -> bool:
        """Yes or no to the best question, when it is more likely yes."""
        limit = self.network.thresholds["identify"]
        found = suggest(
            self.library,
            self.chosen.id,
            threshold=limit,
            calibration=self.network.calibration,
        )
        best = next((one for one in found if (one.probability or 0) > 0.5), None)
        if best is None:
            return False
        yes = self.most(self.library.require_group(best.group)) == best.person
        answer = name_group if yes else deny_group
        answer(self.library, best.group, best.person, command="suggest")
        self.clicked += 1
        return True

    def name_listed(self) -> bool:
        """Name the loose faces listed under the first person, without those that are others'."""
        limit = self.network.thresholds["identify"]
        found = place_loose(self.library, self.chosen.id, threshold=limit)
        if not found:
            return False
        person = found[0].person
        listed = [one.face for one in found if one.person == person]
        good = [face for face in listed if self.truth[face] == person]
        bad = sorted(set(listed) - set(good))
        if good:
            name_faces(self.library, good, person, command="name")
        if bad:
            reject(self.library, bad, person=person, command="reject")
        self.clicked += 1 + len(bad)
        return True

    def name_one(self) -> None:
        shown = {face.face: face.person for face in self.library.faces()}
        face = next(face for face, who in self.truth.items() if shown.get(face) != who)
        name_faces(self.library, [face], self.truth[face], command="name")
        self.typed += 1


def play(user: User, share: float, *, suggested: bool) -> list[tuple[int, float]]:
    """Answer until so many faces are named rightly; the course."""
    course = [(0, user.right())]
    done = 0
    while course[-1][1] < share:
        asked = suggested and user.answer_suggestion()
        if not (asked or user.name_largest() or (suggested and user.name_listed())):
            user.name_one()
        user.put_right()
        if user.grouping_again and user.answers >= done + ROUND:
            done = user.answers
            user.group()
            user.put_right()
        course.append((user.answers, user.right()))
    return course


def prepare(path: Path) -> dict[int, str]:
    """Who the main faces are; the others are ignored from now on."""
    with (DATA / "identities.csv").open(newline="", encoding="utf-8") as file:
        people = {row["file"]: row["person"] for row in csv.DictReader(file)}
    truth = {}
    with Library.open(path) as library:
        faces = library.faces()
        for photo in library.photos():
            here = [face for face in faces if face.photo == photo.photo]
            who = people.get(Path(photo.path).name)
            if here and who:
                boxes = [face.box for face in here]
                truth[here[main_face(boxes, photo.about.width, photo.about.height)].face] = who
        others = [face.face for face in faces if face.face not in truth]
        ignore(library, others, command="ignore")
    return truth


def reliability(path: Path, truth: dict[int, str]) -> list[tuple[float, bool]]:
    """Probability and truth of all that suggest tells, in many states of naming."""
    found = []
    for seed in range(12):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, folder)
            with Library.open(Path(folder) / path.name) as library:
                user = User(library, truth, grouping_again=False)
                chance = np.random.default_rng(seed)
                share = chance.uniform(0.15, 0.7)
                for group in library.groups():
                    if chance.random() < share:
                        who = user.most(library.require_group(group.number))
                        name_group(library, group.number, who, command="name")
                for one in suggest(
                    library,
                    user.chosen.id,
                    threshold=user.network.thresholds["identify"],
                    calibration=user.network.calibration,
                ):
                    right = user.most(library.require_group(one.group)) == one.person
                    found.append((one.probability or 0.0, right))
    return found


def tell(path: Path, truth: dict[int, str], share: float) -> None:
    print("| how | answers | names typed | yes, no, lists | taken out |")
    print("|---|---|---|---|---|")
    ways = {
        "group by group in order of size": (False, False),
        "the same, `group` after every 10 answers": (False, True),
        "`suggest` first": (True, False),
        "`suggest` first, `group` after every 10 answers": (True, True),
    }
    for name, (suggested, again) in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, folder)
            with Library.open(Path(folder) / path.name) as library:
                user = User(library, truth, grouping_again=again)
                play(user, share, suggested=suggested)
                counts = f"{user.typed} | {user.clicked} | {user.rejected}"
                print(f"| {name} | {user.answers} | {counts} |", flush=True)
    told = np.array(reliability(path, truth))
    print("\n| probability told | times | mean | true |\n|---|---|---|---|")
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        rows = told[(told[:, 0] >= low) & (told[:, 0] < high)]
        if len(rows):
            mean, true = rows.mean(axis=0)
            print(f"| {low:g} - {min(high, 1):g} | {len(rows)} | {mean:.2f} | {true:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where it is scanned already")
    parser.add_argument("--share", type=float, default=0.95)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.sqlite"
        if options.library:
            shutil.copy(options.library, path)
        else:
            from click.testing import CliRunner

            from facecluster.cli import main as run

            words = ["scan", str(DATA / "photos"), "--db", str(path)]
            CliRunner().invoke(run, words, catch_exceptions=False)
        tell(path, prepare(path), options.share)


if __name__ == "__main__":
    main()
