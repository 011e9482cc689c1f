"""Does the code on disk fit what is trained and live?"""
