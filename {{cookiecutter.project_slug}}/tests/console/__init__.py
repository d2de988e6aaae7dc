"""The admin: pages, roles, drawings, charts."""
