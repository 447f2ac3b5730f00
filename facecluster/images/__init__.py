"""Find pictures in folders and read them: upright RGB pixels, reduced, and what EXIF tells."""

from facecluster.images.finding import SUFFIXES, find_images, stamp_of, twins
from facecluster.images.picture import LONGEST, MAX_PIXELS, Picture
from facecluster.images.raw import can_read_raw, is_raw
from facecluster.images.reading import content_hash, may_pass, read, read_all
from facecluster.images.video import can_read_clips

__all__ = [
    "LONGEST",
    "MAX_PIXELS",
    "SUFFIXES",
    "Picture",
    "can_read_clips",
    "can_read_raw",
    "content_hash",
    "find_images",
    "is_raw",
    "may_pass",
    "read",
    "read_all",
    "stamp_of",
    "twins",
]
