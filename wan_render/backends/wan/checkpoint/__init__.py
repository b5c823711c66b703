"""A folder of weights: where it is, what it holds, whether it is whole, and its components, loaded."""
