"""The review page: a person decides pairs and clusters in the browser, and the judge learns."""

import lazy_loader

# What other rooms import, by name, is in `__init__.pyi`; each is loaded on first use.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
