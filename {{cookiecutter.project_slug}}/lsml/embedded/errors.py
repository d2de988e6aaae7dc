"""What can go wrong with the embedded servers, said to a person in one sentence."""


class ServerError(Exception):
    """An embedded server cannot do its work; the message ends with the next step."""
