"""Reproducible randomness with random access: hashes of (key, stream, index) instead of a generator's state."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Index = NDArray[np.int64]
Floats = NDArray[np.float64]

OCTAVES = 9
_SLOPE = 2 * sum(2 ** (-octave / 2) for octave in range(OCTAVES))
"""The steepest step of the sum of octaves whose first has amplitude 1."""


def text_key(seed: int, text: str) -> int:
    """A 64-bit key for *text* under *seed*; the same on every machine."""
    return int.from_bytes(blake2b(f"{seed}:{text}".encode(), digest_size=8).digest(), "little")


def hashes(keys: Keys, stream: int, index: Index) -> Keys:
    """64 well-mixed bits for each (key, index); *stream* separates one use from another (SplitMix64's finaliser)."""
    with np.errstate(over="ignore"):
        word = keys ^ (index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        word = word + np.uint64((stream * 0xD1B54A32D192ED03) % 2**64)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Keys = word ^ (word >> np.uint64(31))
    return mixed


def uniform(keys: Keys, stream: int, index: Index) -> Floats:
    """Uniform numbers in [0, 1)."""
    return (hashes(keys, stream, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def wander(keys: Keys, stream: int, index: Index, *, steepest: float) -> Floats:
    """A path that looks like a random walk and can be read anywhere: octaves of linearly interpolated noise.

    Two neighbouring indexes never differ by more than *steepest*, by construction.
    """
    total = np.zeros(np.broadcast_shapes(keys.shape, index.shape))
    amplitude = steepest / _SLOPE
    for octave in range(OCTAVES):
        cell = index >> octave
        part = (index & ((1 << octave) - 1)) / (1 << octave)
        left = uniform(keys, stream + octave, cell) * 2 - 1
        right = uniform(keys, stream + octave, cell + 1) * 2 - 1
        total += amplitude * 2 ** (octave / 2) * (left + (right - left) * part)
    return total
