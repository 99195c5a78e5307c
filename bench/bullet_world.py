"""A simulated agent whose success depends on the bullets in its context, with a known truth.

40 bullets: 10 good, 10 bad, 10 that matter in some task types only (good in some, bad in
others), 10 without any effect. 10 task types. Pairs of bullets interact, and every task has a
difficulty that no learner sees. Success is a coin whose log odds are the sum of all that.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BULLETS, TYPES = 40, 10
PAIRS = 20
# Standard deviation of a task's difficulty, in log odds. Outcomes of a task then correlate by .39,
# the lower of two recordings: .60 among four trials (tau-bench airline, gpt-4o), .39 between two
# arms of the same tasks (InterCode SQL, gpt-3.5).
DIFFICULTY = 2.0
_EACH = BULLETS // 4
_MATTERS = 0.4  # share of the types in which a type-specific bullet has an effect
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class World:
    """The truth of one simulation, all in log odds."""

    base: Floats  # (T,)
    effects: Floats  # (T, B)
    pairs: Floats  # (B, B), upper triangle

    def logits(self, types: Ints, masks: Bools) -> Floats:
        """Return the log odds (N,) of success at the usual difficulty, 0."""
        on = masks.astype(np.float64)
        alone = (self.effects[types] * on).sum(axis=1)
        together = ((on @ self.pairs) * on).sum(axis=1)
        return np.asarray(self.base[types] + alone + together)

    def run(self, types: Ints, difficulty: Floats, masks: Bools, rng: np.random.Generator) -> Bools:
        """Try tasks (N,) under masks (N, B): success (N,)."""
        return rng.random(len(types)) < _sigmoid(self.logits(types, masks) - difficulty)

    def success(self, masks: Bools) -> float:
        """Return the exact success of a mask for each type (T, B), over types and difficulties."""
        odds = self.logits(np.arange(TYPES), masks)[:, None] - DIFFICULTY * _NODES
        return float((_sigmoid(odds) @ _WEIGHTS).mean())

    def oracle(self) -> Bools:
        """Return the best mask found for each type (T, B), knowing the truth."""
        masks = self.effects > 0
        while True:
            better = masks.copy()
            for bullet in range(BULLETS):
                better[:, bullet] = self._gain(better, bullet) > 0
            if (better == masks).all():
                return masks
            masks = better

    def best_single(self) -> Bools:
        """Return the best mask found (T, B) that is the same for every type."""
        mask = self.effects.mean(axis=0) > 0
        best = self.success(np.tile(mask, (TYPES, 1)))
        improved = True
        while improved:
            improved = False
            for bullet in range(BULLETS):
                other = mask.copy()
                other[bullet] ^= True
                score = self.success(np.tile(other, (TYPES, 1)))
                if score > best + 1e-12:
                    mask, best, improved = other, score, True
        return np.tile(mask, (TYPES, 1))

    def _gain(self, masks: Bools, bullet: int) -> Floats:
        """Return what letting `bullet` in adds to the log odds (T,), given the others."""
        others = (self.pairs + self.pairs.T)[bullet]
        return np.asarray(self.effects[:, bullet] + masks @ others)


def make_world(seed: int) -> World:
    """Return the world of a seed."""
    rng = np.random.default_rng(seed)
    effects = np.zeros((TYPES, BULLETS))
    order = rng.permutation(BULLETS)
    good, bad, typed = order[:_EACH], order[_EACH : 2 * _EACH], order[2 * _EACH : 3 * _EACH]
    effects[:, good] = rng.uniform(0.05, 0.3, _EACH)
    effects[:, bad] = -rng.uniform(0.05, 0.3, _EACH)
    matters = rng.random((TYPES, _EACH)) < _MATTERS
    size = rng.uniform(0.25, 0.75, (TYPES, _EACH)) * rng.choice([-1, 1], (TYPES, _EACH))
    effects[:, typed] = np.where(matters, size, 0.0)
    pairs = np.zeros((BULLETS, BULLETS))
    for _ in range(PAIRS):
        first, second = sorted(rng.choice(order[: 3 * _EACH], 2, replace=False))
        pairs[first, second] += rng.normal(0, 0.15)
    return World(rng.normal(-0.7, 0.4, TYPES), effects, pairs)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))
