"""Compares new versions with the served one, and applies the promotion policy.

`jobs` starts an evaluation, `work` carries it out: `measuring` lets both versions
predict, `lsml/quality/gates/` compares them, `decision` promotes or holds back. If the
policy asks for it, a version that passed is a candidate in shadow (`candidates`) until
`watching` finds enough annotations and starts a second evaluation, `in_shadow`.
"""
