"""How do the nodes of a pipeline run in processes of their own?"""
