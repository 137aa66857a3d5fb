"""How words are replaced: in turn by importance, all at once, or those that the gradient names."""
