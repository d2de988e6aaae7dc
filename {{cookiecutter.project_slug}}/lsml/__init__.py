"""The service between Label Studio and `model.py`; one folder, one room."""
