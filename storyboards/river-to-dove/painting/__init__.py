"""How the five keyframes of the film are painted; paint.py beside this folder is the script."""
