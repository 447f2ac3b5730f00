"""Whatever is said, undone, scanned and grouped, in any order: no stated fact is ever lost."""

from __future__ import annotations

import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people import (
    extend,
    forget,
    ignore,
    merge,
    name_faces,
    name_group,
    redo,
    regroup,
    reject,
    rename,
    split_group,
    undo,
)
from facecluster.people.forgetting import faces_of
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

PHOTOS = 4
NAMES = ("Alice", "Bob", "alice ")
# Two vectors of one person are 0.2 apart, of two people 2.
PEOPLE = np.eye(16, dtype=np.float32)

Place = tuple[int, int]  # photo and place in it: what a face is to a person who looks at it


def alike(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


class Model:
    """What a person who wrote everything down would hold to be true."""

    def __init__(self) -> None:
        self.actions: list[list[tuple[Place, str, str | None]]] = []
        self.ids: list[int] = []  # of the actions, in the log
        self.undone: list[int] = []
        self.fixed = 0  # so many of the first cannot be undone

    def truth(self) -> set[tuple[Place, str, str | None]]:
        who: dict[Place, tuple[str, str | None] | None] = {}
        denied: set[tuple[Place, str | None]] = set()
        for number, facts in enumerate(self.actions):
            if number in self.undone:
                continue
            for place, kind, name in facts:
                if kind == "is-not":
                    denied.add((place, name))
                    if who.get(place) == ("is", name):
                        who[place] = None
                else:
                    who[place] = (kind, name)
                    if kind == "is":
                        denied.discard((place, name))
        said = {(place, *word) for place, word in who.items() if word}
        return said | {(place, "is-not", name) for place, name in denied}


class NeverLost(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.library = Library.open(Path(self.folder.name) / "library.sqlite")
        self.net = self.library.scanned.register_model(fingerprint="f", name="n", dimension=16)
        self.model = Model()
        self.edits = [0] * (PHOTOS + 2)
        self.forgotten: set[Place] = set()
        for photo in range(PHOTOS):
            self._scan(photo)
        self._group(1.0)

    def teardown(self) -> None:
        if hasattr(self, "library"):
            self.library.close()
            self.folder.cleanup()

    @rule(face=st.integers(0, 7), name=st.sampled_from(NAMES))
    def name_a_face(self, face: int, name: str) -> None:
        place = divmod(face, 2)
        if place in self.forgotten:
            return
        said = name_faces(self.library, [self._face(place)], name, command="name")
        if said.action:  # else it was so already
            self._wrote([(place, "is", name)])

    @rule(pick=st.integers(0, 9), name=st.sampled_from(NAMES))
    def name_a_group(self, pick: int, name: str) -> None:
        groups = self.library.groups()
        if not groups:
            return
        before = self._truth()
        try:
            said = name_group(self.library, groups[pick % len(groups)].number, name, command="name")
        except UsageError:
            assert self._truth() == before
            return
        if said.action == 0:
            return  # it was so already
        # Which faces of a group take the name is tested elsewhere; here, that it then stays.
        faces = self.library._connection.rows(
            "select face from statement where action = ?", (said.action,)
        )
        places = self._places()
        self._wrote([(places[face], "is", name) for (face,) in faces])

    @rule(face=st.integers(0, 7), name=st.sampled_from(NAMES))
    def reject_a_face(self, face: int, name: str) -> None:
        place = divmod(face, 2)
        if place in self.forgotten:
            return
        try:
            said = reject(self.library, [self._face(place)], person=name, command="reject")
        except UsageError:
            return  # nobody has that name yet
        if said.action:
            self._wrote([(place, "is-not", name)])

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename_somebody(self, old: str, new: str) -> None:
        before = self._truth()
        try:
            said = rename(self.library, old, new, command="rename")
        except UsageError:
            assert self._truth() == before
            return  # nobody has the old name
        if said.action == 0:
            return  # written another way: the same person
        # Whom it is said of follows from what held before.
        of = {(place, kind) for place, kind, who in before if who and alike(who, old)}
        sure = {place for place, kind, who in before if kind == "is" and who and alike(who, new)}
        self._wrote([(place, k, new) for place, k in of if k == "is" or place not in sure])

    @rule(face=st.integers(0, 7), no_face=st.booleans())
    def ignore_a_face(self, face: int, no_face: bool) -> None:
        place = divmod(face, 2)
        if place in self.forgotten:
            return
        said = ignore(self.library, [self._face(place)], not_a_face=no_face, command="ignore")
        if said.action:
            self._wrote([(place, "not-a-face" if no_face else "ignore", None)])

    @rule(pick=st.integers(0, 9))
    def split_a_group(self, pick: int) -> None:
        groups = self.library.groups()
        if not groups:
            return
        try:
            done = split_group(self.library, groups[pick % len(groups)].number, command="split")
        except UsageError:
            return  # named as a whole, or one face
        assert len(done.parts) > 1
        self._wrote([])
        self._group(4.0)
        now = {face.face: face.group for face in self.library.faces()}
        homes = [{now[face] for face in part.faces} for part in done.parts]
        assert all(len(home) == 1 for home in homes), "each part stays together"
        kept = [home for home in homes if home != {None}]
        assert all(one.isdisjoint(other) for one, other in combinations(kept, 2))

    @rule(pick=st.integers(0, 9))
    def merge_two_groups(self, pick: int) -> None:
        groups = self.library.groups()
        if len(groups) < 2:
            return
        one, other = groups[pick % len(groups)].number, groups[(pick + 1) % len(groups)].number
        known = {face.face for number in (one, other) for face in self.library.faces(group=number)}
        try:
            done = merge(self.library, [one, other], command="merge")
        except UsageError:
            return  # of two people
        action = self.library.statements.log(1)[0].id
        said = self.library._connection.rows(
            "select face, name from statement join person on person.id = person where action = ?",
            (action,),
        )
        places = self._places()
        self._wrote([(places[face], "is", name) for face, name in said])
        self._group(0.1)
        now = {face.face: face.group for face in self.library.faces()}
        homes = [now[face] for face in known]
        assert max(homes.count(home) for home in homes if home is not None) >= done.faces

    @rule(name=st.sampled_from(NAMES))
    def forget_somebody(self, name: str) -> None:
        before, places = self._truth(), self._places()
        try:
            gone = {places[face] for faces in faces_of(self.library, name) for face in faces}
        except UsageError:
            return  # nobody has that name
        names = {*forget(self.library, name).names, name}
        sure = {who for _, kind, who in before if kind == "is" and who and not alike(who, name)}
        assert sure.isdisjoint(one.casefold() for one in names), "what somebody is called stays"
        self.forgotten |= gone
        # undo never goes past this, so what holds is all that there ever was
        self.model = Model()
        self._wrote(
            [
                (place, kind, who)
                for place, kind, who in before
                if place not in gone and not (who and any(alike(who, one) for one in names))
            ]
        )
        self.model.fixed = 1

    @rule()
    def undo_the_last(self) -> None:
        said = range(self.model.fixed, len(self.model.actions))
        left = [n for n in said if n not in self.model.undone]
        try:
            undo(self.library, command="undo")
        except UsageError:
            assert not left
            return
        self.model.undone.append(left[-1])

    @rule()
    def redo_the_last(self) -> None:
        try:
            redo(self.library, command="redo")
        except UsageError:
            return
        self.model.undone.pop()

    @rule(pick=st.integers(0, 99))
    def undo_one_of_the_log(self, pick: int) -> None:
        left = [n for n in range(len(self.model.actions)) if n not in self.model.undone]
        if not left:
            return
        number, before = left[pick % len(left)], self._truth()
        try:
            undo(self.library, self.model.ids[number], command="undo")
        except UsageError:
            assert self._truth() == before
            return  # what may not be taken back
        self.model.undone.append(number)

    @rule(photo=st.integers(PHOTOS, PHOTOS + 1))
    def scan_a_new_photo(self, photo: int) -> None:
        self._scan(photo)

    @rule()
    def group_what_is_new(self) -> None:
        before = {face.face: face.group for face in self.library.faces()}
        said = self.library._connection.rows("select distinct face from statement")
        spoken = set(self.library.groupings.numbers(face for (face,) in said).values())
        done = extend(self.library)
        now = {face.face: face.group for face in self.library.faces()}
        for face, group in before.items():
            if group is not None and group not in spoken:
                assert now[face] == group, "a group of which nothing was said stays"
        assert (done.named_moved, done.names_lost) == (0, 0)
        self._check_groups()
        again = extend(self.library)
        assert (again.new_faces, again.moved_faces) == (0, 0)

    @rule(photo=st.integers(0, PHOTOS - 1))
    def scan_again(self, photo: int) -> None:
        self._scan(photo)

    @rule(photo=st.integers(0, PHOTOS - 1), taken_back=st.booleans())
    def edit_a_photo_and_scan(self, photo: int, taken_back: bool) -> None:
        self.edits[photo] += -1 if taken_back else 1
        self._scan(photo)
        self.library.scanned.remove([])
        self.library.scanned.follow(self.library.scanned.begin([])[0], [])

    @rule(photo=st.integers(0, PHOTOS - 1))
    def delete_a_photo_and_put_it_back(self, photo: int) -> None:
        self.library.scanned.remove([f"/{photo}.jpg"])
        self.library.scanned.follow(self.library.scanned.begin([])[0], [])
        self._scan(photo)

    @rule(photo=st.integers(0, PHOTOS - 1))
    def scan_with_another_detector(self, photo: int) -> None:
        self._scan(photo, shift=1.0)

    @rule(threshold=st.sampled_from([0.1, 1.0, 4.0]))
    def group_again(self, threshold: float) -> None:
        self._group(threshold)

    @invariant()
    def who_was_forgotten_stays_away(self) -> None:
        if hasattr(self, "library"):
            assert self.forgotten.isdisjoint(self._places().values())

    @invariant()
    def everything_said_still_holds(self) -> None:
        if hasattr(self, "library"):
            assert self._truth() == {
                (place, kind, name and name.strip().casefold())
                for place, kind, name in self._cleaned().truth()
            }

    def _cleaned(self) -> Model:
        model = Model()
        model.undone = self.model.undone
        model.actions = [
            [(place, kind, name and name.strip().casefold()) for place, kind, name in facts]
            for facts in self.model.actions
        ]
        return model

    def _wrote(self, facts: list[tuple[Place, str, str | None]]) -> None:
        self.model.actions.append(facts)
        self.model.ids.append(self.library.statements.log(1)[0].id)

    def _scan(self, photo: int, shift: float = 0.0) -> None:
        faces, rows = [], []
        for place in range(2):
            x = 100.0 * place + shift + self.edits[photo] % 3
            points = ((x + 3, 3.0), (x + 7, 3.0), (x + 5, 5.0), (x + 3, 7.0), (x + 7, 7.0))
            # one of them on the shelf, one too poor to found a group
            score = {(2, 1): 0.9, (3, 1): 0.8}.get((photo, place), 0.99)
            faces.append(Face(Box(x, 0, x + 10, 12), points, score, Quality(40.0, 99.0, 0.0)))
            row = PEOPLE[(photo + place) % 3] + 0.3 * PEOPLE[4 + 2 * photo + place]
            rows.append(row / np.linalg.norm(row))
        content = f"{photo} {self.edits[photo]}"
        stamp = FileStamp(f"/{photo}.jpg", 1, 1)
        done = Analysis(
            stamp, Photo(f"{content:>064}", 640, 480, 1, None), tuple(faces), np.stack(rows)
        )
        self.library.scanned.add([done], detector="d", model=self.net)

    def _group(self, threshold: float) -> None:
        done = regroup(self.library, self.net, method="agglomerative", threshold=threshold, k=None)
        assert (done.named_moved, done.names_lost) == (0, 0)
        self._check_groups()

    def _check_groups(self) -> None:
        shown = {face.face: face for face in self.library.faces()}
        together: dict[int, set[str]] = {}
        for fact in self.library.statements.truth():
            group = shown[fact.face].group if fact.face in shown else None
            if fact.kind == "is" and fact.person and fact.face in shown:
                assert group is not None, "who has a name is in a group"
                together.setdefault(group, set()).add(self.library.statements.name_of(fact.person))
        assert all(len(names) == 1 for names in together.values()), "two people in one group"
        for fact in self.library.statements.truth():
            if fact.kind == "is-not" and fact.person and fact.face in shown:
                names = together.get(shown[fact.face].group or 0, set())
                assert self.library.statements.name_of(fact.person) not in names, "rejected"

    def _places(self) -> dict[int, Place]:
        rows = self.library._connection.rows(
            "select face.id, path, x0 from face join file on file.photo = face.photo"
        )
        return {face: (int(path[1]), int(x0 >= 90)) for face, path, x0 in rows}

    def _face(self, place: Place) -> int:
        return next(face for face, where in self._places().items() if where == place)

    def _truth(self) -> set[tuple[Place, str, str | None]]:
        places = self._places()
        return {
            (
                places[fact.face],
                fact.kind,
                fact.person and self.library.statements.name_of(fact.person).casefold(),
            )
            for fact in self.library.statements.truth()
        }


TestNeverLost = NeverLost.TestCase
TestNeverLost.settings = settings(max_examples=25, stateful_step_count=25)
