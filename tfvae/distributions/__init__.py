"""TFP distributions, bijectors and pure functions of the methods."""
