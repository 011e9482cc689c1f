"""Which versions serve, who decided so, and how is it undone?"""
