"""The inner maximisation of training: images, captions, and in which order."""
