"""The server of the bakery. Start it with: flask run"""

from bakery import order, train_sales

from chariots import Chariots

app = Chariots([train_sales, order], path="bakery_store", import_name="bakery_app")
