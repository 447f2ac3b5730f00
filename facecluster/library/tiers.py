"""How good a face is: core, attach-only, or on the shelf.

A core face founds groups. An attach-only one joins a group, but never founds or bridges one. One on
the shelf is out of sight: in no group and no list but its own. Nothing is lost: a word of the user
about a face takes it from the shelf, one that says whose it is makes it core.

The limits are by the quality kept with each face (see quality.py), measured with
tests/benchmarks/measure_tiers.py: among 266 findings on the 100 photos of crowds, a score below
0.85 had 16 of the 28 that are no face, and 3 of the 238 that are. Limits of how far a face is
turned away cost recall, so there is none. Who changes a limit adds a migration that makes the views
anew.
"""

from __future__ import annotations

__all__ = ["CORE_SCORE", "CORE_SHARPNESS", "CORE_SIZE", "SHELF_SCORE", "TIERS"]

SHELF_SCORE = 0.85
CORE_SCORE = 0.95
CORE_SIZE = 16  # pixels from the eyes' line to the mouth's
CORE_SHARPNESS = 10

TIERS = f"""
create view shelf as
    select face.id as face from face where score < {SHELF_SCORE} and not exists (
        select 1 from statement where statement.face = face.id and revoked_by is null
    );
create view attach_only as
    select face.id as face from face
    where (score < {CORE_SCORE} or size < {CORE_SIZE} or sharpness < {CORE_SHARPNESS})
    and not exists (
        select 1 from statement where statement.face = face.id and revoked_by is null
        and kind in ('is', 'part')
    );
drop view hidden;
create view hidden as
    select face from truth where kind in ('ignore', 'not-a-face')
    union all
    select face.id from photo join face on face.photo = photo.id
    where not exists (select 1 from file where file.photo = photo.id)
    union all
    select face from shelf;
"""
