from .asking import Finding as Finding, explain_pair as explain_pair
from .finding import find_in_records as find_in_records, find_in_sources as find_in_sources
from .found import Found as Found
from .lines import found_lines as found_lines
from .settings import (
    find_config as find_config,
    nightly_yaml as nightly_yaml,
    place_of as place_of,
)
