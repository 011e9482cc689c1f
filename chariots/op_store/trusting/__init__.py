"""Which bytes may be loaded, and by whose signature?"""
