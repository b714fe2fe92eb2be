"""What the chapters prove, checked on numbers: each function gives the worst violation it found."""
