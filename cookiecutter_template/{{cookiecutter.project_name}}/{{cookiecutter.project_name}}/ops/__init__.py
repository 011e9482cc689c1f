"""The steps that pipelines are made of: where data comes from, how it is prepared, what learns from it."""
