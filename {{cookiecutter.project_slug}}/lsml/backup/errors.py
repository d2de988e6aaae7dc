"""The errors of backups. Each message is a sentence for people."""


class BackupRefused(Exception):
    """The backup cannot be made there, or now."""


class RestoreRefused(Exception):
    """The backup cannot be restored. The message says what was changed, if anything."""
