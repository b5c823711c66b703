"""Extended prompts: what a language model sees of a shot, what it is asked, whether its answer may be used, and the
file in which answers are kept. Planning reads the file and asks nobody."""
