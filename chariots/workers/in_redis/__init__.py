"""How are jobs kept in Redis? (`chariots.workers.in_redis.store` is the way in)"""
