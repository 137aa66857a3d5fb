"""MMCoA's study: few-shot and full training on one set, measured on that set and on others."""
