"""Apps that the tests serve and that real workers import."""
