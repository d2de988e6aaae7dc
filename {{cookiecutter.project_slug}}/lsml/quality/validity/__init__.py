"""Which answers of a model Label Studio would refuse: live ones, and before going live.

Nothing here changes or holds up an answer.
"""
