"""A contact sheet: one HTML file of people and groups, or of photos, that needs nothing else."""

from __future__ import annotations

from facecluster.sheet.contents import Contents, Part, contents, found_photos
from facecluster.sheet.page import is_sheet, page

__all__ = ["Contents", "Part", "contents", "found_photos", "is_sheet", "page"]
