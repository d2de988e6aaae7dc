"""Views and template contexts of the console's pages."""
