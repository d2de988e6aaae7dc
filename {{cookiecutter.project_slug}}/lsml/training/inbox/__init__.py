"""Events that wait for training, from their arrival until a run takes them."""
