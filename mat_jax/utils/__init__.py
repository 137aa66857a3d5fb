"""Tools that know nothing of models: files, command lines, progress, the cache, safe pickles."""
