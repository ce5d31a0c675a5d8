"""Gemel from Python: the duplicates among some records, in a line.

    import gemel

    found = gemel.find(["Sony turntable PSLX350H", "Sony turntable PS-LX350H", "Bose speaker"])
    for group in found.clusters:
        print(group.sure, [member.fields for member in group.members])
    kept = found.survivors()

The library itself is the package `pipeline`; the names here are those that a notebook needs.
"""

from pipeline.errors import PipelineError as Error
from pipeline.finding import Finding, Found, Group, Member, Model, find

__all__ = ["Error", "Finding", "Found", "Group", "Member", "Model", "find"]
