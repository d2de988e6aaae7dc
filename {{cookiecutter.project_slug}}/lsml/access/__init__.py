"""Who may do what: the permissions of the service and its four roles."""
