"""What must every place that keeps jobs be able to do? (a module a subject; `store_contract` joins them)"""
