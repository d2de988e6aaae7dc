"""Parts of `make bench-pages`, used by benchmarks/pages.py."""
