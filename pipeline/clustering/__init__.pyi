from .clusters import cluster_tables as cluster_tables, same_thing as same_thing
from .events import (
    cluster_changes as cluster_changes,
    cluster_events as cluster_events,
    event_kinds as event_kinds,
)
from .lineage import NIGHT as NIGHT, stable_ids as stable_ids
from .links import Links as Links
from .reuse import cluster_touched as cluster_touched
from .source_matches import count_matches as count_matches
