"""Tells people what needs attention: opens and clears alarms, and sends them."""
