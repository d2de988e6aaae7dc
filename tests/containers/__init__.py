"""Plays Label Studio against the containers of a baked project; see .ci/containers."""
