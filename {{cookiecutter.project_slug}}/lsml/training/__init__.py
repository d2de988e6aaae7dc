"""The inbox of waiting events, and the runs that train on them."""
