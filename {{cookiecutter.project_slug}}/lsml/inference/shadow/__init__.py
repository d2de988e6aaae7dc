"""Lets a version predict a share of the live tasks unseen: docs/quality.md."""
