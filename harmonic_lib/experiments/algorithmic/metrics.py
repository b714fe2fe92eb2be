"""What is measured of a trained network."""

from __future__ import annotations

import hashlib

from torch import Tensor

from harmonic_lib.data.tasks import Task
from harmonic_lib.measure.cosets import best_coset_partition
from harmonic_lib.measure.embedding import components_for, effective_rank, explained_variance
from harmonic_lib.measure.grokking import seen_and_unseen, stays_above
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error
from harmonic_lib.measure.rings import ring_frequencies, ring_score
from harmonic_lib.measure.scatter import within_variance_share
from harmonic_lib.training import History


def measured(facts: Task, table: Tensor) -> dict[str, float]:
    """The geometry of an embedding (V, D): of the tokens that the task orders."""
    shown = table[facts.shown]
    shares = explained_variance(shown)
    own: dict[str, float] = {}
    if facts.name == "modular_addition":
        own = {"ring_score": ring_score(shown), "ring_frequencies": ring_frequencies(shown)}
    elif facts.name == "parallelogram":
        own = {"parallelogram_error": parallelogram_error(shown, grid_quads())}
    elif facts.name == "equivalence":
        whole = explained_variance(table)
        own = {f"ev_{k}_all_tokens": float(whole[k - 1]) for k in range(1, 11)}
        own |= {"within_variance_share": within_variance_share(shown, facts.shown % 5)}
    elif facts.name == "permutation":
        best = best_coset_partition(shown, seed=0)
        own = {
            "coset_order": float(len(best.subgroup)),
            "coset_within_variance_share": best.share,
            "coset_p_value": best.p_value,
        }
    return {
        **{f"ev_{k}": float(shares[k - 1]) for k in range(1, 11)},
        "ev_2_at_least_0.95": float(shares[1] >= 0.95),
        "components_90": float(components_for(shown)),
        "effective_rank": effective_rank(shown),
        **own,
    }


def learning(history: History, member: int) -> dict[str, float]:
    """How a member learnt: its last loss and accuracies, and when it held 0.9 for 20 epochs."""
    train_accuracy = history["train_accuracy"][:, member]
    test_accuracy = history["test_accuracy"][:, member]
    fitted, general = float(stays_above(train_accuracy)), float(stays_above(test_accuracy))
    return {
        "train_loss": float(history["loss"][-1, member]),
        "train_accuracy": float(train_accuracy[-1]),
        "test_accuracy": float(test_accuracy[-1]),
        "train_epoch_90": fitted,
        "test_epoch_90": general,
        "gap_epoch_90": general - fitted,
    }


def leak(hits: Tensor, x_test: Tensor, x_train: Tensor) -> dict[str, float]:
    """Accuracy on test facts that were trained on, on the others, and the share of the first."""
    found = seen_and_unseen(hits, x_test, x_train)
    return {
        "seen_accuracy": float(found.seen),
        "unseen_accuracy": float(found.unseen),
        "seen_share": found.share,
    }


def digest(facts: Task) -> str:
    """SHA-256 of the table of facts."""
    return hashlib.sha256(facts.x.numpy().tobytes() + facts.y.numpy().tobytes()).hexdigest()
