"""Who may do what: the service's permissions and the four roles that carry them."""
