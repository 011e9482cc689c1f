"""How are jobs kept in a database? (`chariots.workers.in_sql.store` is the way in)"""
