"""Measures new versions on held-out tasks, and applies the project's promotion policy.

`jobs` starts an evaluation, `work` carries it out: `measuring` lets both versions
predict, `lsml/quality/gates/` compares them, `decision` promotes or holds back.
"""
