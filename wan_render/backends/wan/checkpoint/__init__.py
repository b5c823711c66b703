"""A folder of weights: what it holds, whether it is whole, and its components, loaded."""
