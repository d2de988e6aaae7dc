"""Label Studio's wire shapes, label configs and client. Plain Python."""
