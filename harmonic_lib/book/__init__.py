"""The book's pipeline: run the chapters, render them, check the pages, say what it took."""

from harmonic_lib.book.pipeline import make

__all__ = ["make"]
