"""How does a program ask an op store?"""
