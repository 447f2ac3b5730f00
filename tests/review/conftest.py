"""A review page that really runs, on a library of its own, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from facecluster.facenet.calibration import Calibration
from facecluster.library import Library
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality
from facecluster.review import Review
from facecluster.review.questions import Judge

COLOURS = ((60, 90, 220), (220, 60, 60), (60, 200, 60))  # of the photos, by person


@dataclass
class Client:
    """What a browser at this address sends; each header can be replaced or, with None, left out."""

    url: str

    def ask(
        self,
        path: str = "",
        *,
        method: str = "GET",
        body: bytes | None = None,
        at: str | None = None,
        **headers: str | None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of what the server answers."""
        where = urlsplit(self.url)
        sent: dict[str, str | None] = {"Host": where.netloc}
        if method == "POST":
            sent |= {"Origin": f"http://{where.netloc}", "Content-Type": "application/json"}
            sent |= {"Sec-Fetch-Site": "same-origin", "Content-Length": str(len(body or b""))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        line = http.client.HTTPConnection("127.0.0.1", where.port or 0, timeout=20)
        line.putrequest(
            method,
            where.path + path if at is None else at,
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in sent.items():
            if value is not None:
                line.putheader(name, value)
        line.endheaders(body)
        answer = line.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        text = answer.read()
        line.close()
        return answer.status, found, text

    def get(self, path: str) -> dict[str, object]:
        """The JSON that a question is answered with."""
        status, _, text = self.ask(path)
        assert status == 200, text
        answer: dict[str, object] = json.loads(text)
        return answer

    def say(self, **statement: object) -> tuple[int, dict[str, object]]:
        """Status and JSON of the answer to a statement."""
        body = json.dumps(statement).encode()
        status, _, text = self.ask("say", method="POST", body=body)
        return status, json.loads(text)


Serve = Callable[..., Client]


@contextmanager
def served(
    path: Path,
    threshold: float = 1.0,
    calibration: Calibration | None = None,
    judge: Judge | None = None,
) -> Iterator[Client]:
    review = Review(path, judge or (lambda _: (threshold, calibration)))
    thread = threading.Thread(target=review.run)
    thread.start()
    try:
        yield Client(review.url)
    finally:
        review.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve the library at a path until the test ends."""
    with ExitStack() as stack:
        yield lambda path, **more: stack.enter_context(served(path, **more))


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    photos = [(person, number) for person in range(3) for number in range((6, 4, 3)[person])]
    with Library.open(folder / "library.sqlite") as library:
        model = library.scanned.register_model(fingerprint="f", name="nn4", dimension=32)
        library.scanned.add([_photo(folder, *one) for one in photos], detector="d", model=model)
        library.scanned.finish()
        faces = np.arange(1, 14)
        numbers = np.repeat([1, 2, 3], [6, 4, 3])
        settings = {"threshold": 0.5, "k": None}
        library.groupings.save(
            model=model,
            method="by hand",
            settings=settings,
            faces=faces,
            numbers=numbers,
            next_number=4,
        )
    return folder / "library.sqlite"


def _photo(folder: Path, person: int, number: int) -> Analysis:
    """A photo in the person's colour; group 3 is near group 2, and both are far from group 1."""
    path = folder / f"{'abc'[person]}{number}.jpg"
    Image.new("RGB", (640, 480), COLOURS[person]).save(path)
    vector = np.zeros(32)
    vector[min(person, 1)], vector[2 + 10 * person + number], vector[31] = 1.0, 0.3, 0.4 * person
    at = ((40.0, 60.0), (80.0, 60.0), (60.0, 80.0), (45.0, 105.0), (75.0, 105.0))
    face = Face(Box(64.0, 48.0, 128.0, 144.0), at, 0.999, Quality(45.0, 300.0, 0.0))
    return Analysis(
        file=FileStamp(path=str(path), size=1000, mtime_ns=1),
        photo=Photo(f"{path.stem:>064}", 640, 480, 1, "2020-01-02T03:04:05"),
        faces=(face,),
        embeddings=(vector / np.linalg.norm(vector))[None].astype(np.float32),
    )


@pytest.fixture
def grouped(_made: Path, tmp_path: Path) -> Path:
    """A library with photos to look at: groups 1 to 3 are of 6, 4 and 3 faces, 1 to 13."""
    return Path(shutil.copy(_made, tmp_path / "library.sqlite"))


@pytest.fixture
def client(serve: Serve, grouped: Path) -> Client:
    """The page of that library."""
    return serve(grouped)


@pytest.fixture(scope="session")
def still(_made: Path) -> Iterator[Client]:
    """The page of that library for tests that change nothing; its file is `_made`."""
    with served(_made) as client:
        yield client
