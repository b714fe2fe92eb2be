"""One room a chapter, as in ``chapters/``: its proofs, its runs, its results, its figures."""
