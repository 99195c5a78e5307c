"""A job's trajectories as data sets for others to train on; every row is made as it is sent."""

from training.exports.formats import FORMATS, Export, Format, format_named
from training.exports.trajectories import Wanted
from training.exports.writing import Page, can_write_parquet, page, stream

__all__ = [
    "FORMATS",
    "Export",
    "Format",
    "Page",
    "Wanted",
    "can_write_parquet",
    "format_named",
    "page",
    "stream",
]
