"""The book's pipeline: run the chapters, render them, check the pages, make the notebooks."""
