from . import chunks as chunks, progress as progress
from .aliases import (
    Flags as Flags,
    Floats as Floats,
    Ints as Ints,
    Rows as Rows,
    Scores as Scores,
    Words as Words,
)
from .blocks import (
    BASE as BASE,
    QUERIES as QUERIES,
    Pairs as Pairs,
    block_hits as block_hits,
    cosines as cosines,
    exact_pairs as exact_pairs,
    pairs_reaching as pairs_reaching,
    settle_hits as settle_hits,
)
from .chunks import (
    as_array as as_array,
    chunk_bounds as chunk_bounds,
    combine_large as combine_large,
    iter_chunks as iter_chunks,
    take_in_batches as take_in_batches,
    take_rows as take_rows,
    value_bytes as value_bytes,
    with_64bit_offsets as with_64bit_offsets,
)
from .graph import components as components
from .kernel import (
    FLOAT32 as FLOAT32,
    Floors as Floors,
    Hits as Hits,
    Positions as Positions,
    Vectors as Vectors,
    each as each,
    fastest as fastest,
)
from .lookup import (
    as_strings as as_strings,
    factorize as factorize,
    factorize_strings as factorize_strings,
    positions_in as positions_in,
    positions_in_sorted as positions_in_sorted,
    sorted_unique as sorted_unique,
)
from .matrix import (
    Matrix as Matrix,
    SelectedRows as SelectedRows,
    StoredMatrix as StoredMatrix,
    has_room as has_room,
    in_memory as in_memory,
    tail as tail,
)
from .memory import release_memory as release_memory
from .pair_keys import (
    cross_join as cross_join,
    pair_key as pair_key,
    pair_sides as pair_sides,
    repeat_each as repeat_each,
)
from .parallel import map_in_order as map_in_order, start_processes as start_processes
