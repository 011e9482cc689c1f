"""How does the op store answer over HTTP?"""
