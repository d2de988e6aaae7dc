"""The endpoints of the model process, and how web and workers call them."""
