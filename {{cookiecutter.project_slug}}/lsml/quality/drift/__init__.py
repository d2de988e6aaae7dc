"""Drift: do live tasks and predictions differ from those of the training snapshot?

`checking.py` says which are compared, `features.py` what of them.
"""
