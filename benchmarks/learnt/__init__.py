"""A small model of Wan's architecture that has learnt something, so that approximations can be judged by pictures."""
