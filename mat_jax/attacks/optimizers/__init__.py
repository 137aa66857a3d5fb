"""How an image is moved: by gradient ascent, or by search; balls, early stopping and views."""
