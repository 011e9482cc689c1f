"""Which versions fit together, which of them are the newest, and how is a refusal explained?"""
