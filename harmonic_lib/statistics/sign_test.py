"""The sign test: do pairs differ in one direction more often than by chance?"""

from __future__ import annotations


def sign_test(won: int, lost: int) -> float:
    """The exact two-sided p-value of ``won`` pairs against ``lost``; a tie counts for neither.

    >>> sign_test(3, 0)
    0.25
    >>> sign_test(0, 0)
    1.0
    """
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
