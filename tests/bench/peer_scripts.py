"""What runs inside the peers' environment: one function per peer, called by its name.

    python -I peer_scripts.py NAME ARGUMENT …

Each prints its seconds and its peak of memory as JSON, and leaves the pairs it found in a file.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


def took(began: float, **facts: Any) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": time.perf_counter() - began, "peak_gb": peak, **facts}


def semhash(texts: str, folder: str, threshold: str, links: str) -> dict[str, Any]:
    """Keep one text of each group; (first row of a dropped text, of the one it is put under)."""
    import numpy as np
    import pyarrow.parquet as pq
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from semhash import SemHash
    from tokenizers import Tokenizer

    (weights,) = load_file(f"{folder}/model.safetensors").values()
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    model = StaticModel(weights.astype(np.float32), tokenizer, normalize=True)
    records = pq.read_table(texts)["text"].to_pylist()
    index = SemHash.from_records(records, model=model)
    found = index.self_deduplicate(threshold=float(threshold))
    told = took(BEGAN, kept=len(found.selected))
    row: dict[str, int] = {}
    for number, text in enumerate(records):
        row.setdefault(text, number)
    pairs = [(row[one.record], row[one.duplicate_of]) for one in found.filtered]
    np.save(links, np.array(pairs, np.int64).reshape(-1, 2).T)
    return told


def rensa(path: str, words: str, floor: str, found: str) -> dict[str, Any]:
    """Pairs that share a band and whose signatures agree in the floor's share of places."""
    import numpy as np
    import pyarrow.parquet as pq
    from rensa import RMinHash, RMinHashLSH

    texts = pq.read_table(path)["text"].to_pylist()
    began = time.perf_counter()
    sets = [_shingles(text, int(words)) for text in texts]
    signatures = RMinHash.from_token_sets(sets, num_perm=128, seed=42)
    index = RMinHashLSH(threshold=float(floor), num_perm=128, num_bands=32)
    index.insert_many(signatures)
    pairs = [
        (one, other)
        for one, near in enumerate(index.query_all(signatures))
        for other in near
        if one < other and signatures[one].jaccard(signatures[other]) >= float(floor)
    ]
    told = took(began)
    np.save(found, np.array(pairs, np.int64).reshape(-1, 2).T)
    return told


def _shingles(text: str, words: int) -> list[str]:
    """As `pipeline.candidates.minhash.shingles`."""
    tokens = text.casefold().split()
    if len(tokens) <= words:
        return [" ".join(tokens)]
    return sorted({" ".join(tokens[at : at + words]) for at in range(len(tokens) - words + 1)})


def imagehash(pictures: str, distance: str, found: str) -> dict[str, Any]:
    """Pairs of pictures whose 64-bit perceptual hashes differ in few places."""
    import numpy as np
    from imagehash import phash
    from PIL import Image

    files = [file for _, file in json.loads(Path(pictures).read_text())]
    began = time.perf_counter()
    bits = [np.packbits(phash(Image.open(file)).hash.ravel()).view(np.uint64) for file in files]
    hashes = np.concatenate(bits)
    differing = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    left, right = np.nonzero(np.triu(differing <= int(distance), 1))
    told = took(began)
    np.save(found, np.stack([left, right]))
    return told


PEERS = {"semhash": semhash, "rensa": rensa, "imagehash": imagehash}

if __name__ == "__main__":
    print(json.dumps(PEERS[sys.argv[1]](*sys.argv[2:])))
