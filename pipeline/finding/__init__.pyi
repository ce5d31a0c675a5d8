from .asking import (
    Finding as Finding,
    evidence_of as evidence_of,
    explain_pair as explain_pair,
)
from .finding import find as find, find_in_sources as find_in_sources
from .found import Found as Found
from .groups import (
    Group as Group,
    Member as Member,
    tell_differences as tell_differences,
)
from .lines import found_lines as found_lines
from .model import Model as Model
from .nearest import (
    Lonely as Lonely,
    Twin as Twin,
    lonely_records as lonely_records,
    nearest_twins as nearest_twins,
)
from .settings import (
    find_config as find_config,
    nightly_yaml as nightly_yaml,
    place_of as place_of,
)
