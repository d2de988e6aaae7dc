"""What the pages show, and the pages that are no list and no detail."""
