"""How fast is chariots, beside what else a person would use?"""
