"""Live quality: how annotations agree with the predictions that annotators saw.

`lsml/dataset/live.py` adds it up by version and day.
"""
