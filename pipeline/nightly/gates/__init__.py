"""Gates: what must hold before a run is published."""
